// SPDX-License-Identifier: Apache-2.0
// Backward of an MLP and a mixture side by side.
#pragma once

#include "model/backward_pass.h"
#include "model/blocks/mlp_and_experts.h"

namespace jang::model {

// As that of the experts; x are the hidden states as they are, dx is overwritten.
void backward(BackwardPass& pass, const MlpAndExperts& block, const kernels::Tensor& x, const kernels::Tensor& dout,
              const kernels::Tensor& dx);

}  // namespace jang::model
