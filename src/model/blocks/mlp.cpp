// SPDX-License-Identifier: Apache-2.0
// Gated MLP.
#include "model/blocks/mlp.h"

#include <algorithm>

#include "model/bind.h"

namespace jang::model {

Status check_spec(const std::string& block, const arch::MlpSpec& spec) {
  if (spec.clamp > 0) return refuse(block, "clamp");
  return {};
}

Status bind_block(Binder& binder, const std::string& prefix, const arch::MlpSpec& spec, Mlp* block) {
  JANG_TRY(check_spec(prefix, spec));
  block->spec = spec;
  const std::int64_t hidden = binder.hidden(), ffn = spec.ffn;
  JANG_TRY(binder.take(prefix + "gate_proj", ffn, hidden, binder.precision(), &block->gate));
  JANG_TRY(binder.take(prefix + "up_proj", ffn, hidden, binder.precision(), &block->up));
  return binder.take(prefix + "down_proj", hidden, ffn, binder.precision(), &block->down);
}

Status reserve(Forward& f, const Mlp& block) {
  const std::int64_t values = f.chunk_tokens() * block.spec.ffn;
  bool room = f.workspace.mlp_gate.reserve(f.device, values) && f.workspace.mlp_up.reserve(f.device, values);
  if (f.kept != nullptr) room = room && f.kept->activated.reserve(f.device, values);
  return room ? Status() : f.out_of_memory();
}

void run(Forward& f, const Mlp& block, const kernels::Tensor& x, const kernels::Tensor& out) {
  const std::int64_t ffn = block.spec.ffn;
  for (std::int64_t begin = 0; begin < x.rows; begin += f.chunk_tokens()) {
    const std::int64_t chunk = std::min(f.chunk_tokens(), x.rows - begin);
    const kernels::Tensor in = x.row_range(begin, chunk);
    const kernels::Tensor gate = f.workspace.mlp_gate.matrix(chunk, ffn), up = f.workspace.mlp_up.matrix(chunk, ffn);
    const kernels::Tensor activated = f.kept != nullptr ? f.kept->activated.matrix(chunk, ffn) : gate;
    f.see({&block.gate, &block.up}, -1, in);
    const kernels::LinearOut maps[] = {{block.gate.weight.get(), gate}, {block.up.weight.get(), up}};
    f.device.linear(in, maps);
    f.device.glu(kernel_of(block.spec.activation), gate, up, activated);
    f.see({&block.down}, -1, activated);
    const kernels::LinearOut down[] = {{block.down.weight.get(), out.row_range(begin, chunk)}};
    f.device.linear(activated, down);
  }
}

}  // namespace jang::model
