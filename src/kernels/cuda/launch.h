// SPDX-License-Identifier: Apache-2.0
// What host code and kernels say to each other: plain structs with addresses on the card, and one function per kernel that enqueues it on a
// stream. Host code fills them from tensors (cuda_device.h); only .cu files know what a thread does.
//
// A launch reports nothing: the device looks at the runtime's last error behind every op.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

struct CUstream_st;

namespace jang::kernels::cuda {

using Stream = CUstream_st*;

// Whether a kernel may be launched before the one in front of it has ended: the card can, and its code waits where it has to.
extern bool kernels_overlap;
[[nodiscard]] bool can_overlap_kernels();

// Rows of floats, `stride` floats apart.
struct Rows {
  float* at = nullptr;
  std::int64_t stride = 0;
};

// The matrices of a map, one or one per expert, one behind the other. A row starts on 16 bytes, whatever its length.
struct Matrices {
  const std::byte* codes = nullptr;  // or dense values
  const std::byte* scales = nullptr;
  const std::byte* biases = nullptr;
  std::int64_t row_pitch = 0, param_pitch = 0;     // bytes from row to row
  std::int64_t matrix_bytes = 0, param_bytes = 0;  // from matrix to matrix
  std::int64_t rows = 0, columns = 0;
  DType dtype = DType::f32, param = DType::f32;  // dtype u32: packed
  int bits = 0, group = 0;
};

// Which rows of x a product takes and where results go: row i of y comes from row i of x. With `begin`, rows of y are slots of a mixture:
// those of expert e are [begin[e], begin[e + 1]), and their rows of x are tokens[slot], or the slot itself where `tokens` is null.
struct Columns {
  std::int64_t n = 0;  // rows of y
  const std::int32_t* begin = nullptr;
  const std::int32_t* tokens = nullptr;
  std::int32_t experts = 0;
};

// A run of rows that belong to one sequence, with the state of its recurrent layer.
struct Run {
  std::int32_t first_row = 0, n_rows = 0;
  float* state = nullptr;
};
inline constexpr int kRunsPerLaunch = 64;
struct Runs {
  Run run[kRunsPerLaunch];
  int n = 0;
};

// Where the cache of a row's sequence is: the row's position and the first of its page addresses in the table of the batch.
struct RowPlace {
  std::int32_t position = 0, first_page = 0;
};

}  // namespace jang::kernels::cuda
