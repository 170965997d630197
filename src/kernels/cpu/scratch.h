// SPDX-License-Identifier: Apache-2.0
// Working memory of a kernel, one block per thread, kept between calls. Compiled without instruction-set flags on purpose: an inline
// function of the standard library emitted by a file with such flags could be picked by the linker for everyone.
#pragma once

#include <cstdint>

namespace jang::kernels {

// At least n_floats floats, 64-byte aligned, contents undefined; valid until the next call on this thread.
[[nodiscard]] float* scratch(std::int64_t n_floats);

}  // namespace jang::kernels
