// SPDX-License-Identifier: Apache-2.0
// Packed rows in memory: the planes that an encoder fills, and the values that they stand for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "codec/weight_format.h"
#include "kernels/encode.h"

namespace jang::quantize {

class RowPlanes {
 public:
  // `format` outlives this.
  RowPlanes(const codec::WeightFormat& format, std::int64_t n_rows, std::int64_t in, DType params);

  // Arguments that fill the planes with `weights` [n_rows, in].
  [[nodiscard]] kernels::EncodeArgs args(const float* weights);
  // Values of all rows, [n_rows, in].
  void unpack(float* out) const;

 private:
  const codec::WeightFormat& format_;
  std::int64_t n_rows_, in_;
  DType params_;
  std::vector<std::uint32_t> words_;
  std::vector<std::byte> scales_, third_;  // third: biases or zeros
};

}  // namespace jang::quantize
