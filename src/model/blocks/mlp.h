// SPDX-License-Identifier: Apache-2.0
// Gated MLP: W_down (act(W_gate x) * W_up x), a chunk of tokens at a time. Maps have the biases that the model has.
#pragma once

#include <string>

#include "model/forward.h"

namespace jang::model {

class Binder;

struct Mlp {
  arch::MlpSpec spec;
  Linear gate, up, down;
};

[[nodiscard]] constexpr kernels::Activation kernel_of(arch::Activation a) {
  return a == arch::Activation::silu ? kernels::Activation::silu : kernels::Activation::gelu_tanh;
}
// Unsupported: a field that `block`, an MLP or the experts, does not compute.
[[nodiscard]] Status check_spec(const std::string& block, const arch::MlpSpec& spec);

[[nodiscard]] Status bind_block(Binder& binder, const std::string& prefix, const arch::MlpSpec& spec, Mlp* block);
// The memory of a forward. Errors: out_of_memory.
[[nodiscard]] Status reserve(Forward& f, const Mlp& block);
// x, out: [n, hidden].
void run(Forward& f, const Mlp& block, const kernels::Tensor& x, const kernels::Tensor& out);

}  // namespace jang::model
