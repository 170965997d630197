// SPDX-License-Identifier: Apache-2.0
// y = x W^T + b with float32 inputs and weights as the codec defines them: the exact arithmetic of Precision, every format.
#pragma once

#include "kernels/cuda/launch.h"

namespace jang::kernels::cuda {

struct ExactArgs {
  Matrices w;
  const float* bias = nullptr;  // [rows], or null
  Rows x, y;
  Columns columns;
};
void linear_exact(const ExactArgs& a, int multiprocessors, Stream stream);

}  // namespace jang::kernels::cuda
