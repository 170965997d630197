// SPDX-License-Identifier: Apache-2.0
// MLP: its maps bound by name, and a forward in chunks of tokens.
#include "model/blocks/mlp.h"

#include <algorithm>

#include "model/bind.h"

namespace jang::model {
namespace {

using kernels::Tensor;

// Gate and up of a chunk, by the maps that the block has.
void run_inputs(Forward& f, const Mlp& block, const Tensor& in, const MlpInputs& to) {
  if (block.spec.fused) {
    f.see({&block.gate_up}, -1, in);
    const kernels::LinearOut map[] = {{block.gate_up.weight.get(), f.workspace.mlp_gate.matrix(in.rows, 2 * block.spec.ffn)}};
    return f.device.linear(in, map);
  }
  if (!block.spec.gated) {
    f.see({&block.up}, -1, in);
    const kernels::LinearOut map[] = {{block.up.weight.get(), to.gate}};
    return f.device.linear(in, map);
  }
  f.see({&block.gate, &block.up}, -1, in);
  const kernels::LinearOut maps[] = {{block.gate.weight.get(), to.gate}, {block.up.weight.get(), to.up}};
  f.device.linear(in, maps);
}

}  // namespace

Status check_spec(const std::string& block, const arch::MlpSpec& spec) {
  if (spec.clamp > 0) return refuse(block, "clamp");
  if (spec.fused && !spec.gated) return refuse(block, "a fused map without a gate");
  return {};
}

Status bind_block(Binder& binder, const std::string& prefix, const arch::MlpSpec& spec, Mlp* block) {
  JANG_TRY(check_spec(prefix, spec));
  JANG_TRY(binder.device().check(kernel_of(spec.activation)).with_context("'" + prefix + "'"));
  block->spec = spec;
  const std::int64_t hidden = binder.hidden(), ffn = spec.ffn;
  if (spec.fused) {
    JANG_TRY(binder.take(prefix + "gate_up_proj", 2 * ffn, hidden, binder.precision(), &block->gate_up));
  } else {
    if (spec.gated) JANG_TRY(binder.take(prefix + "gate_proj", ffn, hidden, binder.precision(), &block->gate));
    JANG_TRY(binder.take(prefix + "up_proj", ffn, hidden, binder.precision(), &block->up));
  }
  return binder.take(prefix + "down_proj", hidden, ffn, binder.precision(), &block->down);
}

Status reserve(Forward& f, const Mlp& block) {
  const std::int64_t values = f.chunk_tokens() * block.spec.ffn;
  bool room =
      f.workspace.mlp_gate.reserve(f.device, block.spec.fused ? 2 * values : values) && f.workspace.mlp_up.reserve(f.device, values);
  if (f.kept != nullptr) room = room && f.kept->activated.reserve(f.device, values);
  return room ? Status() : f.out_of_memory();
}

MlpInputs inputs_of(const Workspace& workspace, const arch::MlpSpec& spec, std::int64_t chunk) {
  if (spec.fused) {
    const Tensor both = workspace.mlp_gate.matrix(chunk, 2 * spec.ffn);
    return {both.column_range(0, spec.ffn), both.column_range(spec.ffn, spec.ffn)};
  }
  const Tensor up = workspace.mlp_up.matrix(chunk, spec.ffn);
  return spec.gated ? MlpInputs{workspace.mlp_gate.matrix(chunk, spec.ffn), up} : MlpInputs{up, {}};
}

void run(Forward& f, const Mlp& block, const Tensor& x, const Tensor& out) {
  const std::int64_t ffn = block.spec.ffn;
  for (std::int64_t begin = 0; begin < x.rows; begin += f.chunk_tokens()) {
    const std::int64_t chunk = std::min(f.chunk_tokens(), x.rows - begin);
    const MlpInputs inputs = inputs_of(f.workspace, block.spec, chunk);
    const Tensor place = block.spec.fused ? f.workspace.mlp_up.matrix(chunk, ffn) : inputs.gate;
    const Tensor activated = f.kept != nullptr ? f.kept->activated.matrix(chunk, ffn) : place;
    run_inputs(f, block, x.row_range(begin, chunk), inputs);
    f.device.glu(kernel_of(block.spec.activation), inputs.gate, inputs.up, activated);
    f.see({&block.down}, -1, activated);
    const kernels::LinearOut down[] = {{block.down.weight.get(), out.row_range(begin, chunk)}};
    f.device.linear(activated, down);
  }
}

}  // namespace jang::model
