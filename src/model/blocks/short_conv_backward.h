// SPDX-License-Identifier: Apache-2.0
// Backward of the gated short convolution over a whole text.
#pragma once

#include "model/backward_pass.h"
#include "model/blocks/short_conv.h"

namespace jang::model {

// As that of attention.
void backward(BackwardPass& pass, const ShortConv& block, int layer, const kernels::Tensor& x, const kernels::Tensor& dout,
              const kernels::Tensor& dx);

}  // namespace jang::model
