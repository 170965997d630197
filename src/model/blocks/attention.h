// SPDX-License-Identifier: Apache-2.0
// Softmax attention with grouped queries:
//
//   q, k, v = W x;  q, k normalised per head (qk_norm), rotated by position;  k, v stored;  out = W_o (attention(q) [* sigmoid(gate)])
//
// With spec.gated q_proj gives, per head, key_dim query values followed by value_dim gate values.
#pragma once

#include <string>

#include "model/forward.h"

namespace jang::model {

class Binder;

struct Attention {
  arch::AttentionSpec spec;
  Linear q, k, v, o;
  kernels::Tensor q_norm, k_norm;  // [1, key_dim]; absent without qk_norm
};

// Keys and values, no states.
[[nodiscard]] LayerCache cache_of(const arch::AttentionSpec& spec);
// `prefix`: of the block's modules, with its dot. Errors: those of Binder; unsupported (a field of the spec that is not computed).
[[nodiscard]] Status bind_block(Binder& binder, const std::string& prefix, const arch::AttentionSpec& spec, Attention* block);
// Memory and rotations of a forward. Errors: out_of_memory.
[[nodiscard]] Status reserve(Forward& f, const Attention& block, int layer);
void run(Forward& f, const Attention& block, int layer);

}  // namespace jang::model
