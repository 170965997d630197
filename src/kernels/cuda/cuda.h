// SPDX-License-Identifier: Apache-2.0
// NVIDIA cards as devices: what the list of devices and `jang doctor` know of them. Nothing here needs a driver to be installed: the CUDA
// runtime is linked statically and looks for libcuda when it is first called.
#pragma once

#include <memory>
#include <string_view>

#include "base/thread_pool.h"
#include "jang/status.h"
#include "kernels/accelerators.h"
#include "kernels/device.h"

namespace jang::kernels {

// The first card. `pool` outlives the device and helps to copy weights to the card; null: the calling thread alone.
// Errors: device (no driver, a driver that is too old, no card, a card of an architecture that this build has no code for), each with
// what helps.
[[nodiscard]] Result<std::unique_ptr<Device>> open_cuda_device(ThreadPool* pool);

inline constexpr std::string_view kCudaName = "cuda";  // Device::name()

// Speed of plain reads of the card's memory, in 1e9 bytes/s. `device`: one that open_cuda_device() made.
[[nodiscard]] double cuda_read_gbps(Device& device);

// Driver and cards, or why there are none. Never fails.
[[nodiscard]] Accelerators find_cuda_cards();

}  // namespace jang::kernels
