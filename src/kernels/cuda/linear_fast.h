// SPDX-License-Identifier: Apache-2.0
// y = x W^T + b on the tensor cores, straight from packed codes, inputs rounded to float16: the fast arithmetic of Precision for every
// width and group with bf16 or f16 parameters.
#pragma once

#include "kernels/cuda/launch.h"

namespace jang::kernels::cuda {

[[nodiscard]] constexpr bool fast_supports(const Matrices& w) {
  return w.dtype == DType::u32 && w.param != DType::f32 && (w.group == 32 || w.group == 64 || w.group == 128);
}

// Inputs as the kernels read them, for one width: codes and inputs of a fragment lie in an order that the width's unpacking finds cheap.
//   values       [unit of 64 columns][half][row of x][lane of a quad] eight float16, scaled by a power of two per row
//   corrections  [unit][row of x] float4: for each half -sum(offset * x) and sum(x); `offset` is what unpacking leaves on a code
//   factors      [row of x]: undoes the scaling
struct FastInputs {
  const void* values = nullptr;
  const void* corrections = nullptr;
  const float* factors = nullptr;
  std::int64_t rows = 0;
};
// Bytes of scratch for n rows, and the inputs inside of it. `scratch` starts on 256 bytes.
[[nodiscard]] std::int64_t fast_input_bytes(std::int64_t n, std::int64_t columns);
FastInputs prepare_fast(int bits, const Rows& x, std::int64_t n, std::int64_t columns, void* scratch, Stream stream);

struct FastMap {
  Matrices w;
  const float* bias = nullptr;  // [rows], or null
  Rows y;
  float softcap = 0;  // as head's
};
inline constexpr int kMapsPerLaunch = 4;

// At most kMapsPerLaunch maps of one width, group, parameter type and number of columns that share inputs.
void linear_fast(const FastMap* maps, int n_maps, const FastInputs& inputs, const Columns& columns, Stream stream);

}  // namespace jang::kernels::cuda
