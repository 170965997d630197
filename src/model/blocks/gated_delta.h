// SPDX-License-Identifier: Apache-2.0
// Gated DeltaNet block (arXiv 2412.06464), as Qwen3-Next and Qwen3.5 have it:
//
//   [q k v] = silu(causal_conv(W_qkv x));  z = W_z x;  b = W_b x;  a = W_a x
//   o = gated delta rule(q, k, v, a, b) per value head (kernels::Delta);  out = W_out (rms_norm(o) * silu(z))
//
// Fused projections hold, per key head: q, k, then v and z of its value heads; and b, a of them.
#pragma once

#include <string>
#include <vector>

#include "model/forward.h"

namespace jang::model {

class Binder;

struct GatedDelta {
  arch::DeltaSpec spec;
  Linear qkv, z, b, a;  // separate projections
  Linear qkvz, ba;      // or fused, per key head
  Linear out;
  kernels::Tensor conv;            // [channels, conv_kernel]
  kernels::Tensor a_log, dt_bias;  // [1, value heads]
  kernels::Tensor norm;            // [1, value dim]
};

// Two states: the last conv_kernel - 1 inputs of the convolution, oldest first, and S of the rule [value head * key dim, value dim].
[[nodiscard]] LayerCache cache_of(const arch::DeltaSpec& spec);
[[nodiscard]] Status bind_block(Binder& binder, const std::string& prefix, const arch::DeltaSpec& spec, GatedDelta* block);
// Memory of a forward and the states of its sequences. Errors: out_of_memory; invalid_argument (a state has seen other tokens than its
// sequence).
[[nodiscard]] Status reserve(Forward& f, const GatedDelta& block, int layer);
void run(Forward& f, const GatedDelta& block, int layer);

}  // namespace jang::model
