// SPDX-License-Identifier: Apache-2.0
// Gated MLP: W_down (act(W_gate x) * W_up x), a chunk of tokens at a time.
#include <algorithm>

#include "model/graph.h"

namespace jang::model {

void activate(const Forward& f, const float* gate, const float* up, std::int64_t n, float* out) {
  (f.config.activation == arch::Activation::silu ? f.ops.silu_mul : f.ops.gelu_mul)(gate, up, n, out);
}

bool reserve_mlp(Forward& f, std::int64_t ffn) {
  const std::int64_t chunk = std::min(f.n, kMlpTokens);
  return f.scratch.up_in.reserve(chunk * ffn) && f.scratch.up.reserve(chunk * ffn);
}

void run_mlp(Forward& f, const Mlp& block, const float* x, std::int64_t n, float* out) {
  const std::int64_t ffn = block.gate.n_rows, hidden = block.gate.n_cols;
  float* gate = f.scratch.up_in.get();
  float* up = f.scratch.up.get();
  for (std::int64_t begin = 0; begin < n; begin += kMlpTokens) {
    const std::int64_t chunk = std::min(kMlpTokens, n - begin);
    f.see({&block.gate, &block.up}, -1, x + begin * hidden, chunk);
    const LinearCall in[] = {{&block.gate, gate, ffn}, {&block.up, up, ffn}};
    apply(in, x + begin * hidden, chunk, f.parallel, &f.scratch.inputs);
    f.parallel.run(chunk, ffn, [&](std::int64_t i) { activate(f, gate + i * ffn, up + i * ffn, ffn, gate + i * ffn); });
    f.see({&block.down}, -1, gate, chunk);
    const LinearCall down[] = {{&block.down, out + begin * hidden, hidden}};
    apply(down, gate, chunk, f.parallel, &f.scratch.inputs);
  }
}

}  // namespace jang::model
