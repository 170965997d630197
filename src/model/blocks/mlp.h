// SPDX-License-Identifier: Apache-2.0
// MLP, gated: W_down (act(W_gate x) * W_up x), or plain: W_down act(W_up x), a chunk of tokens at a time. Gate and up may be one map
// gate_up_proj, gate first. Maps have the biases that the model has.
#pragma once

#include <string>

#include "model/forward.h"

namespace jang::model {

class Binder;

struct Mlp {
  arch::MlpSpec spec;
  Linear gate, up, down;
  Linear gate_up;  // in the place of gate and up when fused
};

[[nodiscard]] constexpr kernels::Activation kernel_of(arch::Activation a) {
  if (a == arch::Activation::gelu) return kernels::Activation::gelu;
  if (a == arch::Activation::swiglu_oai) return kernels::Activation::swiglu_oai;
  if (a == arch::Activation::relu2) return kernels::Activation::relu2;
  return a == arch::Activation::silu ? kernels::Activation::silu : kernels::Activation::gelu_tanh;
}
// What the workspace holds of `chunk` tokens: what is activated, and what that is multiplied by (absent in a plain MLP).
struct MlpInputs {
  kernels::Tensor gate, up;
};
[[nodiscard]] MlpInputs inputs_of(const Workspace& workspace, const arch::MlpSpec& spec, std::int64_t chunk);
// Unsupported: a field that `block`, an MLP or the experts, does not compute.
[[nodiscard]] Status check_spec(const std::string& block, const arch::MlpSpec& spec);

[[nodiscard]] Status bind_block(Binder& binder, const std::string& prefix, const arch::MlpSpec& spec, Mlp* block);
// The memory of a forward. Errors: out_of_memory.
[[nodiscard]] Status reserve(Forward& f, const Mlp& block);
// x, out: [n, hidden].
void run(Forward& f, const Mlp& block, const kernels::Tensor& x, const kernels::Tensor& out);

}  // namespace jang::model
