// SPDX-License-Identifier: Apache-2.0
// How fast this machine quantizes: rows of random weights through the encoders, on all threads, for about half a second.
#pragma once

#include <cstdint>

#include "base/cost.h"
#include "base/thread_pool.h"
#include "kernels/device.h"

namespace jang::quantize {

struct EncodeSpeeds {
  // Of one weight:
  Cost rtn{}, fit{};
  Cost rtn_error{}, fit_error{};          // where only the error is wanted, a mean over the widths
  Cost feedback{}, feedback_of_column{};  // and of every column of its matrix: the propagation meets each
  // Of a Gram matrix:
  Cost gram{};    // a product of its sum, tokens * columns^2 / 2 of them
  Cost factor{};  // of columns^3
  [[nodiscard]] Cost feedback_in(std::int64_t columns) const { return feedback + static_cast<double>(columns) * feedback_of_column; }
};

// With `feedback`, what error feedback takes as well. Errors: those of the device.
[[nodiscard]] Result<EncodeSpeeds> measure_encode_speeds(kernels::Device& device, ThreadPool& pool, bool feedback);

}  // namespace jang::quantize
