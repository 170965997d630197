// SPDX-License-Identifier: Apache-2.0
// Softmax attention with grouped queries:
//
//   q, k, v = W x;  q, k normalised per head (qk_norm), rotated by position;  k, v stored;  out = W_o (attention(q) [* sigmoid(gate)])
//
// With gated_attention q_proj gives, per head, head_dim query values followed by head_dim gate values.
#pragma once

#include <string>

#include "model/forward.h"

namespace jang::model {

class Binder;

struct Attention {
  Linear q, k, v, o;
  kernels::Tensor q_norm, k_norm;  // [1, head_dim]; absent without qk_norm
};

[[nodiscard]] Status bind_block(Binder& binder, const std::string& prefix, Attention* block);
// The memory of a forward. False when there is none.
[[nodiscard]] bool reserve(Forward& f, const Attention& block);
void run(Forward& f, const Attention& block, int layer);

}  // namespace jang::model
