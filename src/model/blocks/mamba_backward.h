// SPDX-License-Identifier: Apache-2.0
// Backward of the Mamba2 block over a whole text.
#pragma once

#include "model/backward_pass.h"
#include "model/blocks/mamba.h"

namespace jang::model {

// As that of attention.
void backward(BackwardPass& pass, const Mamba& block, int layer, const kernels::Tensor& x, const kernels::Tensor& dout,
              const kernels::Tensor& dx);

}  // namespace jang::model
