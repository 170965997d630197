// SPDX-License-Identifier: Apache-2.0
// The CPU backends, one per instruction set. Which exist depends on the target processor; kernels.cpp lists them.
#pragma once

#include "kernels/kernels.h"

namespace jang::kernels {

#if defined(__x86_64__)
extern const Backend kAvx2;
extern const Backend kAvx512;
#elif defined(__aarch64__)
extern const Backend kNeon;
#endif

}  // namespace jang::kernels
