// SPDX-License-Identifier: Apache-2.0
// y = x W^T + b on the tensor cores, straight from packed codes, inputs rounded to float16: the fast arithmetic of Precision for every
// width and group with bf16 or f16 parameters.
#pragma once

#include "kernels/cuda/fast_inputs.h"
#include "kernels/cuda/launch.h"

namespace jang::kernels::cuda {

[[nodiscard]] constexpr bool fast_supports(const Matrices& w) {
  return w.dtype == DType::u32 && w.param != DType::f32 && (w.group == 32 || w.group == 64 || w.group == 128);
}

// How the inputs of such a map are to be prepared (fast_inputs.h): it decides which kernel multiplies.
[[nodiscard]] FastPlan fast_plan(const Matrices& w, const Columns& columns);

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
