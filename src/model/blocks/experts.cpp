// SPDX-License-Identifier: Apache-2.0
// Mixture of experts, a chunk of tokens at a time: routing, grouped maps by slot, the weighted sum, the shared expert.
#include "model/blocks/experts.h"

#include <algorithm>

#include "model/bind.h"

namespace jang::model {
namespace {

using kernels::Routing;
using kernels::Tensor;

// Tells the probe what goes into the maps, expert by expert: rows of x by slot, or of the tokens of the slots.
void see_experts(Forward& f, std::initializer_list<const Linear*> maps, const Routing& routing, const Tensor& x, bool by_slot) {
  if (f.probe == nullptr) return;
  std::vector<std::int32_t> begin(static_cast<std::size_t>(routing.begin.rows));
  if (!f.device.read(routing.begin, begin.data()).ok()) return;  // the end of the forward reports it
  for (std::size_t e = 0; e + 1 < begin.size(); ++e) {
    const std::int64_t first = begin[e], n = begin[e + 1] - begin[e];
    if (n == 0) continue;
    Tensor rows = by_slot ? x.row_range(first, n) : f.workspace.gathered.matrix(n, x.columns);
    if (!by_slot) f.device.gather_rows(x, routing.tokens.row_range(first, n), rows);
    f.see(maps, static_cast<int>(e), rows);
  }
}

Status check_spec(const std::string& block, const arch::ExpertsSpec& s) {
  if (s.expert.fused) return refuse(block, "experts without maps of their own for gate and up");
  if (s.weighs_inputs && s.top_k != 1) return refuse(block, "weights of what several experts read");
  return {};
}

Status bind_rule(Binder& binder, const std::string& prefix, const arch::ExpertsSpec& s, kernels::RouteRule* rule) {
  rule->normalized = s.norm_topk || s.scoring == arch::Scoring::softmax_of_chosen;
  rule->sigmoid = s.scoring == arch::Scoring::sigmoid;
  rule->scale = s.weights_scale;
  rule->n_groups = s.n_groups;
  rule->top_groups = s.top_groups;
  rule->group_best = s.group_score == arch::GroupScore::best_two ? 2 : 1;
  if (s.correction_bias) JANG_TRY(binder.vector(prefix + "gate.e_score_correction_bias", s.n_experts, &rule->correction));
  return binder.device().check(*rule).with_context("'" + prefix + "gate'");
}

// out += shared(x), weighed by its gate if it has one.
void add_shared(Forward& f, const Experts& block, const Tensor& x, const Tensor& out) {
  const Workspace& w = f.workspace;
  const Tensor shared = w.shared.matrix(x.rows, x.columns), gate = block.spec.shared->gated ? w.shared_gate.matrix(x.rows, 1) : Tensor();
  if (gate.exists()) {
    const kernels::LinearOut gates[] = {{block.shared_router.weight.get(), gate}};
    f.device.linear(x, gates);
  }
  run(f, block.shared, x, shared);
  f.device.add_gated(shared, gate, out);
}

// What the slots read, by slot: the row of the token, times the weight of its one choice.
Tensor weigh_inputs(Forward& f, const Tensor& x, const Routing& routing) {
  const Routing by_slot = by_slot_of(f, routing);
  const Tensor in = f.workspace.slot_in.matrix(routing.tokens.rows, x.columns);
  f.device.gather_rows(routing.weights, routing.tokens, by_slot.weights);
  f.device.combine(x, by_slot, in);
  return in;
}

void run_chunk(Forward& f, const Experts& block, const Tensor& x, const Tensor& router_x, const Tensor& out) {
  const arch::ExpertsSpec& moe = block.spec;
  const std::int64_t ffn = moe.expert.ffn;
  const Workspace& w = f.workspace;
  const std::int64_t n = x.rows, slots = n * moe.top_k;
  const Tensor logits = w.router.matrix(n, moe.n_experts);
  const Routing routing{w.route_weights.matrix(n, moe.top_k), w.route_slots.matrix(n, moe.top_k, DType::i32),
                        w.route_tokens.matrix(slots, 1, DType::i32), w.route_begin.matrix(moe.n_experts + 1, 1, DType::i32)};
  const auto [gate, up] = slot_inputs_of(w, moe, slots);
  const Tensor activated = f.kept != nullptr ? f.kept->slot_activated.matrix(slots, ffn) : gate;
  const Tensor slot_out = w.slot_out.matrix(slots, x.columns);

  if (block.shared_router.exists())
    f.see({&block.router, &block.shared_router}, -1, x);
  else
    f.see({&block.router}, -1, router_x);
  const kernels::LinearOut router[] = {{block.router.weight.get(), logits}};
  f.device.linear(router_x, router);
  if (f.kept != nullptr) f.device.copy(logits, f.kept->router.matrix(n, moe.n_experts));
  f.device.route({logits, block.rule, routing});

  const Tensor in = moe.weighs_inputs ? weigh_inputs(f, x, routing) : x;
  if (moe.expert.gated) {
    see_experts(f, {&block.gate, &block.up}, routing, in, moe.weighs_inputs);
    const kernels::LinearOut maps[] = {{block.gate.weight.get(), gate}, {block.up.weight.get(), up}};
    f.device.expert_linear(in, moe.weighs_inputs, routing, maps);
  } else {
    see_experts(f, {&block.up}, routing, in, moe.weighs_inputs);
    const kernels::LinearOut map[] = {{block.up.weight.get(), gate}};
    f.device.expert_linear(in, moe.weighs_inputs, routing, map);
  }
  f.device.glu(kernel_of(moe.expert.activation), gate, up, activated);
  see_experts(f, {&block.down}, routing, activated, true);
  const kernels::LinearOut down[] = {{block.down.weight.get(), slot_out}};
  f.device.expert_linear(activated, true, routing, down);
  if (moe.weighs_inputs)
    f.device.gather_rows(slot_out, routing.slots, out);
  else
    f.device.combine(slot_out, routing, out);

  if (moe.shared) add_shared(f, block, x, out);
}

}  // namespace

MlpInputs slot_inputs_of(const Workspace& workspace, const arch::ExpertsSpec& spec, std::int64_t slots) {
  const Tensor gate = workspace.slot_gate.matrix(slots, spec.expert.ffn);
  return {gate, spec.expert.gated ? workspace.slot_up.matrix(slots, spec.expert.ffn) : Tensor()};
}

Routing by_slot_of(const Forward& f, const Routing& routing) {
  Routing by_slot;
  by_slot.weights = f.workspace.slot_weights.matrix(routing.tokens.rows, 1);
  by_slot.slots = routing.tokens;
  return by_slot;
}

Status bind_block(Binder& binder, const std::string& prefix, const arch::ExpertsSpec& spec, Experts* block) {
  using kernels::Precision;
  JANG_TRY(check_spec(prefix, spec));
  JANG_TRY(check_spec(prefix, spec.expert));
  JANG_TRY(binder.device().check(kernel_of(spec.expert.activation)).with_context("'" + prefix + "experts'"));
  block->spec = spec;
  JANG_TRY(bind_rule(binder, prefix, spec, &block->rule));
  const std::int64_t hidden = binder.hidden(), ffn = spec.expert.ffn;
  const auto n_experts = static_cast<std::size_t>(spec.n_experts);
  JANG_TRY(binder.take(prefix + "gate", spec.n_experts, hidden, Precision::exact, &block->router));
  if (spec.expert.gated) JANG_TRY(binder.take(prefix + "experts.gate_proj", ffn, hidden, binder.precision(), &block->gate, n_experts));
  JANG_TRY(binder.take(prefix + "experts.up_proj", ffn, hidden, binder.precision(), &block->up, n_experts));
  JANG_TRY(binder.take(prefix + "experts.down_proj", hidden, ffn, binder.precision(), &block->down, n_experts));
  for (const Linear* map : {&block->gate, &block->up, &block->down})
    if (map->exists() && map->bias.empty() == spec.expert_biases)
      return {StatusCode::corrupt, "'" + map->module + (spec.expert_biases ? "' has no biases" : "' has biases")};
  for (Linear* map : {&block->gate, &block->up, &block->down}) map->n_active = spec.top_k;
  if (!spec.shared) return {};
  if (spec.shared->gated) JANG_TRY(binder.take(prefix + "shared_expert_gate", 1, hidden, Precision::exact, &block->shared_router));
  return bind_block(binder, prefix + spec.shared->name() + ".", spec.shared->mlp, &block->shared);
}

Status reserve(Forward& f, const Experts& block) {
  Workspace& w = f.workspace;
  kernels::Device& d = f.device;
  const arch::ExpertsSpec& moe = block.spec;
  const std::int64_t chunk = f.chunk_tokens(), slots = chunk * moe.top_k, ffn = slots * moe.expert.ffn;
  bool room = w.router.reserve(d, chunk * moe.n_experts) && w.slot_gate.reserve(d, ffn) &&
              (!moe.expert.gated || w.slot_up.reserve(d, ffn)) && w.slot_out.reserve(d, slots * f.hidden) &&
              w.route_weights.reserve(d, slots) && w.route_slots.reserve(d, slots, DType::i32) &&
              w.route_tokens.reserve(d, slots, DType::i32) && w.route_begin.reserve(d, moe.n_experts + 1, DType::i32);
  if (f.kept != nullptr) room = room && f.kept->slot_activated.reserve(d, ffn) && f.kept->router.reserve(d, chunk * moe.n_experts);
  if (moe.weighs_inputs) room = room && w.slot_weights.reserve(d, slots) && w.slot_in.reserve(d, slots * f.hidden);
  if (f.probe != nullptr) room = room && w.gathered.reserve(d, chunk * f.hidden);
  if (moe.shared) room = room && w.shared_gate.reserve(d, chunk) && w.shared.reserve(d, chunk * f.hidden);
  if (!room) return f.out_of_memory();
  return moe.shared ? reserve(f, block.shared) : Status();
}

void run(Forward& f, const Experts& block, const Tensor& x, const Tensor& out) { run(f, block, x, x, out); }

void run(Forward& f, const Experts& block, const Tensor& x, const Tensor& router_x, const Tensor& out) {
  for (std::int64_t begin = 0; begin < x.rows; begin += f.chunk_tokens()) {
    const std::int64_t chunk = std::min(f.chunk_tokens(), x.rows - begin);
    run_chunk(f, block, x.row_range(begin, chunk), router_x.row_range(begin, chunk), out.row_range(begin, chunk));
  }
}

}  // namespace jang::model
