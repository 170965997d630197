// SPDX-License-Identifier: Apache-2.0
// How exactly a linear map reads its input.
#pragma once

#include <cstdint>

namespace jang::kernels {

// exact: float32 activations. fast: a device may quantize activations to 8 bits per weight group, or to 16 where 8 lose much (error
// measured in tests).
enum class Precision : std::uint8_t { exact, fast };

}  // namespace jang::kernels
