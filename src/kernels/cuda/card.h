// SPDX-License-Identifier: Apache-2.0
// The runtime's errors as statuses, and what one card is.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <string>

#include "jang/status.h"

namespace jang::kernels::cuda {

// A failed call of the CUDA runtime: what was tried, what the runtime says, what helps. out_of_memory where memory ran out, device
// otherwise. Ok for cudaSuccess.
[[nodiscard]] Status status_of(cudaError_t error, const std::string& what);

// Why no card can be used, from the result of cudaGetDeviceCount; empty when there is one.
[[nodiscard]] std::string why_no_card(cudaError_t error, int count);

// "580.0" is not known to the runtime: CUDA versions, "13.0".
[[nodiscard]] std::string version_text(int version);

}  // namespace jang::kernels::cuda
