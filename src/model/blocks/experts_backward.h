// SPDX-License-Identifier: Apache-2.0
// Backward of the mixture of experts. Gradients flow through the experts that were chosen and their weights; the choice has none.
#pragma once

#include "model/backward_pass.h"
#include "model/blocks/experts.h"

namespace jang::model {

// As that of the MLP; dx is overwritten.
void backward(BackwardPass& pass, const Experts& block, const kernels::Tensor& x, const kernels::Tensor& dout, const kernels::Tensor& dx);
// The same where the router read `router_x`, whose gradient is another tensor.
void backward(BackwardPass& pass, const Experts& block, const kernels::Tensor& x, const kernels::Tensor& router_x,
              const kernels::Tensor& dout, const kernels::Tensor& dx, const kernels::Tensor& drouter_x);

}  // namespace jang::model
