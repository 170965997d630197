// SPDX-License-Identifier: Apache-2.0
// Kernels of ops on rows (device.h): lookup, copies, norms, activations, rotation angles.
#pragma once

#include <span>

#include "kernels/cuda/launch.h"

namespace jang::kernels::cuda {

void embed(const Matrices& table, const std::int32_t* ids, float scale, const Rows& out, std::int64_t n, Stream stream);

struct CopiedColumns {
  float* to = nullptr;  // first row, first column
  std::int64_t stride = 0;
  std::int32_t from_column = 0, n = 0;
};
void copy_columns(const Rows& from, std::int64_t n, std::span<const CopiedColumns> copies, Stream stream);

void gather_rows(const Rows& x, const std::int32_t* rows, const Rows& out, std::int64_t n, std::int64_t columns, Stream stream);

// Null addresses stand for absent tensors, as in AddNorm.
struct AddNormArgs {
  Rows x, branch, out;
  const float* branch_norm = nullptr;
  const float* norm = nullptr;
  const float* norm_bias = nullptr;
  std::int64_t n = 0, columns = 0;
  float eps = 0, offset = 0;
  bool centred = false;
};
void add_norm(const AddNormArgs& a, Stream stream);

// Threads of a block that sums over a row: chosen by its length alone, so that the order of the sum is. Thread t takes columns t,
// t + threads and so on; warps are summed up, then their sums.
[[nodiscard]] constexpr unsigned norm_threads(std::int64_t columns) { return columns >= 2048 ? 1024 : columns >= 512 ? 256 : 64; }

// 0 silu, 1 gelu_tanh, 2 sigmoid, 3 gelu, 4 relu2, 5 identity. up.at null: no factor.
void glu(int activation, const Rows& gate, const Rows& up, const Rows& out, std::int64_t n, std::int64_t columns, Stream stream);

// gate.at null: plain sum.
void add_gated(const Rows& x, const Rows& gate, const Rows& out, std::int64_t n, std::int64_t columns, Stream stream);

// x = cap * tanh(x / cap)
void soft_cap(const Rows& x, float cap, std::int64_t n, std::int64_t columns, Stream stream);

void rotation(const std::int32_t* positions, const float* frequencies, float factor, const Rows& cosines, const Rows& sines, std::int64_t n,
              std::int64_t half, Stream stream);

// Reads `bytes` bytes (a multiple of 16, 16-byte aligned) and keeps nothing: a measure of the memory. `sink`: 4 bytes.
void read_bytes(const void* from, std::int64_t bytes, void* sink, int blocks, Stream stream);

}  // namespace jang::kernels::cuda
