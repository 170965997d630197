// SPDX-License-Identifier: Apache-2.0
// An MLP and a mixture side by side: three norms of one input, both branches, their sum.
#include "model/blocks/mlp_and_experts.h"

#include "model/bind.h"

namespace jang::model {

using kernels::Tensor;

Status bind_block(Binder& binder, const std::string& prefix, const arch::MlpAndExpertsSpec& spec, MlpAndExperts* block) {
  if (spec.experts.shared) return refuse(prefix + "mlp", "a shared expert beside an MLP");
  const std::int64_t hidden = binder.hidden();
  JANG_TRY(bind_block(binder, prefix + "mlp.", spec.mlp, &block->mlp));
  JANG_TRY(binder.vector(prefix + "mlp.gate.per_expert_scale", spec.experts.n_experts, &block->experts.rule.expert_scales));
  JANG_TRY(bind_block(binder, prefix + "mlp.", spec.experts, &block->experts));
  JANG_TRY(binder.vector(prefix + "mlp.gate.scale", hidden, &block->router_norm, spec.router_scale));
  JANG_TRY(binder.vector(prefix + "pre_feedforward_layernorm.weight", hidden, &block->mlp_norm));
  JANG_TRY(binder.vector(prefix + "pre_feedforward_layernorm_2.weight", hidden, &block->experts_norm));
  JANG_TRY(binder.vector(prefix + "post_feedforward_layernorm_1.weight", hidden, &block->mlp_out_norm));
  return binder.vector(prefix + "post_feedforward_layernorm_2.weight", hidden, &block->experts_out_norm);
}

Status reserve(Forward& f, const MlpAndExperts& block) {
  const std::int64_t values = f.n * f.hidden;
  Workspace& w = f.workspace;
  bool room = true;
  for (Array* array : {&w.mlp_normed, &w.experts_normed, &w.router_normed, &w.experts_branch})
    room = room && array->reserve(f.device, values);
  if (f.kept != nullptr) room = room && f.kept->beside_mlp.reserve(f.device, values) && f.kept->beside_moe.reserve(f.device, values);
  if (!room) return f.out_of_memory();
  JANG_TRY(reserve(f, block.mlp));
  return reserve(f, block.experts);
}

void normalise_inputs(Forward& f, const MlpAndExperts& block, const Tensor& x) {
  const auto normalise = [&](const Tensor& gain, const Array& to) {
    f.device.add_norm({.x = x, .norm = gain, .out = to.matrix(x.rows, x.columns), .eps = f.norm.eps});
  };
  normalise(block.mlp_norm, f.workspace.mlp_normed);
  normalise(block.experts_norm, f.workspace.experts_normed);
  normalise(block.router_norm, f.workspace.router_normed);
}

void run(Forward& f, const MlpAndExperts& block, const Tensor& x, const Tensor& out) {
  const Workspace& w = f.workspace;
  const Tensor branch = w.experts_branch.matrix(x.rows, x.columns);
  normalise_inputs(f, block, x);
  run(f, block.mlp, w.mlp_normed.matrix(x.rows, x.columns), out);
  run(f, block.experts, w.experts_normed.matrix(x.rows, x.columns), w.router_normed.matrix(x.rows, x.columns), branch);
  if (f.kept != nullptr) {
    f.device.copy(out, f.kept->beside_mlp.matrix(x.rows, x.columns));
    f.device.copy(branch, f.kept->beside_moe.matrix(x.rows, x.columns));
  }
  f.device.add_norm({.x = out, .norm = block.mlp_out_norm, .out = out, .eps = f.norm.eps});
  f.device.add_norm({.x = out, .branch = branch, .branch_norm = block.experts_out_norm, .eps = f.norm.eps});
}

}  // namespace jang::model
