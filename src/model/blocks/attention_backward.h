// SPDX-License-Identifier: Apache-2.0
// Backward of softmax attention over a whole text.
#pragma once

#include "model/backward_pass.h"
#include "model/blocks/attention.h"

namespace jang::model {

// x: what the block was given, dout: gradient by what it gave; dx: gradient by x. All [n, hidden].
void backward(BackwardPass& pass, const Attention& block, int layer, const kernels::Tensor& x, const kernels::Tensor& dout,
              const kernels::Tensor& dx);

}  // namespace jang::model
