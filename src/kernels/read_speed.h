// SPDX-License-Identifier: Apache-2.0
// How fast the memory that holds a device's weights can be read: what the speed of a model is measured against.
#pragma once

#include "kernels/device.h"

namespace jang::kernels {

// Median speed of plain reads that no cache serves, in 1e9 bytes/s; 0 where there is no memory to measure with. `threads`: of the CPU.
[[nodiscard]] double read_gbps(Device& device, int threads);

}  // namespace jang::kernels
