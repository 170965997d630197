// SPDX-License-Identifier: Apache-2.0
// The list of devices: one line each.
#pragma once

#include <memory>
#include <string_view>

#include "base/thread_pool.h"
#include "jang/status.h"
#include "kernels/device.h"

namespace jang::kernels {

// Opens a device by name ("avx512", "avx2", "neon", "ref", "cuda"), or the fastest of the CPU for "". `pool` outlives it; null: one thread.
// Errors: unsupported (unknown here, or not available on this machine), listing those that are; device (no usable card).
[[nodiscard]] Result<std::unique_ptr<Device>> open_device(std::string_view name, ThreadPool* pool);

}  // namespace jang::kernels
