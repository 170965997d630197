// SPDX-License-Identifier: Apache-2.0
// Backward of latent attention over a whole text.
#pragma once

#include "model/backward_pass.h"
#include "model/blocks/latent_attention.h"

namespace jang::model {

// As that of attention.
void backward(BackwardPass& pass, const LatentAttention& block, int layer, const kernels::Tensor& x, const kernels::Tensor& dout,
              const kernels::Tensor& dx);

}  // namespace jang::model
