// SPDX-License-Identifier: Apache-2.0
// Backward of the gated MLP.
#pragma once

#include "model/backward_pass.h"
#include "model/blocks/mlp.h"

namespace jang::model {

// x: what the block was given, dout: gradient by what it gave; dx (+)= gradient by x. All [n, hidden].
void backward(BackwardPass& pass, const Mlp& block, const kernels::Tensor& x, const kernels::Tensor& dout, bool add,
              const kernels::Tensor& dx);

}  // namespace jang::model
