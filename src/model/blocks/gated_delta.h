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
  Linear qkv, z, b, a;  // separate projections
  Linear qkvz, ba;      // or fused, per key head
  Linear out;
  kernels::Tensor conv;            // [channels, conv_kernel]
  kernels::Tensor a_log, dt_bias;  // [1, value heads]
  kernels::Tensor norm;            // [1, value dim]
};

[[nodiscard]] Status bind_block(Binder& binder, const std::string& prefix, GatedDelta* block);
[[nodiscard]] bool reserve(Forward& f, const GatedDelta& block);
// The states of layer `layer` exist already.
void run(Forward& f, const GatedDelta& block, int layer);

}  // namespace jang::model
