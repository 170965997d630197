// SPDX-License-Identifier: Apache-2.0
// Inputs of packed maps as their kernels read them: float16 in the order in which a width's unpacking leaves its codes, and the sums that
// biases are multiplied by.
#pragma once

#include "kernels/cuda/launch.h"

namespace jang::kernels::cuda {

// What the form of the inputs depends on.
struct FastPlan {
  int bits = 0;
  bool halves = false;  // groups of 32: sums of half units
  bool bf16 = false;    // the type of scales and biases
  bool tiles = false;   // for linear_wide.h, else for linear_fast.cu
  friend bool operator==(const FastPlan&, const FastPlan&) = default;
};

// x' = x * 2^e of the row, divided by 2^shift of the code that it meets (fast_codes.cuh) and rounded to float16. A unit is 64 columns, a
// chunk four units.
//   values, not of tiles  [unit][half][row][lane of a quad] eight values
//   values, of tiles      [unit][row] eight pieces of 16 bytes, piece p at p ^ (row % 8): piece 4 half + i has pair i of the four lanes
//   sums                  [chunk][half][eight rows][2][row % 8][unit of the chunk] pairs: a sum of x' in three parts and 0, each of the
//                         type of the biases, so that tensor cores multiply it exactly. Without halves a sum is one of a unit and [half]
//                         is one.
//   factors               [row] what a result is multiplied by
// Of a mixture, tiles have a row per slot, else a row is one of x.
struct FastInputs {
  FastPlan plan;
  const void* values = nullptr;
  const void* sums = nullptr;
  const float* factors = nullptr;
  std::int64_t rows = 0;  // of values, from unit to unit
};
// Results are sums of 2^-24 code x'. Sums of x' are kept in the unit that the scale of a bf16 pair leaves, 2^-24; float16 would not hold
// them, so there it is 2^-8 and scales are multiplied by 2^16.
inline constexpr int kCodeExponent = 24, kHalfSumExponent = 8;
inline constexpr int kRowGroup = 8;

// Bytes of scratch for n rows, and the inputs inside of it. `scratch` starts on 256 bytes.
[[nodiscard]] std::int64_t fast_input_bytes(std::int64_t n, std::int64_t columns);
FastInputs prepare_fast(const FastPlan& plan, const Rows& x, std::int64_t n, const Columns& columns, std::int64_t n_columns, void* scratch,
                        Stream stream);

}  // namespace jang::kernels::cuda
