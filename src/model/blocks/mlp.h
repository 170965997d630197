// SPDX-License-Identifier: Apache-2.0
// Gated MLP: W_down (act(W_gate x) * W_up x), a chunk of tokens at a time.
#pragma once

#include <string>

#include "model/forward.h"

namespace jang::model {

class Binder;

struct Mlp {
  Linear gate, up, down;
};

// `ffn`: rows of gate and up.
[[nodiscard]] Status bind_block(Binder& binder, const std::string& prefix, std::int64_t ffn, Mlp* block);
[[nodiscard]] bool reserve(Forward& f, const Mlp& block);
// x, out: [n, hidden].
void run(Forward& f, const Mlp& block, const kernels::Tensor& x, const kernels::Tensor& out);

}  // namespace jang::model
