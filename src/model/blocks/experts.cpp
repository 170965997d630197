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

void run_chunk(Forward& f, const Experts& block, const Tensor& x, const Tensor& out) {
  const arch::MoeConfig& moe = f.config.moe;
  const Workspace& w = f.workspace;
  const std::int64_t n = x.rows, slots = n * moe.top_k;
  const Tensor logits = w.router.matrix(n, moe.n_experts);
  const Routing routing{w.route_weights.matrix(n, moe.top_k), w.route_slots.matrix(n, moe.top_k, DType::i32),
                        w.route_tokens.matrix(slots, 1, DType::i32), w.route_begin.matrix(moe.n_experts + 1, 1, DType::i32)};
  const Tensor gate = w.slot_gate.matrix(slots, moe.ffn), up = w.slot_up.matrix(slots, moe.ffn);
  const Tensor activated = f.kept != nullptr ? f.kept->slot_activated.matrix(slots, moe.ffn) : gate;
  const Tensor slot_out = w.slot_out.matrix(slots, x.columns);

  if (block.shared_router.exists())
    f.see({&block.router, &block.shared_router}, -1, x);
  else
    f.see({&block.router}, -1, x);
  const kernels::LinearOut router[] = {{block.router.weight.get(), logits}};
  f.device.linear(x, router);
  if (f.kept != nullptr) f.device.copy(logits, f.kept->router.matrix(n, moe.n_experts));
  f.device.route({logits, moe.norm_topk, routing});

  see_experts(f, {&block.gate, &block.up}, routing, x, false);
  const kernels::LinearOut maps[] = {{block.gate.weight.get(), gate}, {block.up.weight.get(), up}};
  f.device.expert_linear(x, false, routing, maps);
  f.device.glu(f.activation(), gate, up, activated);
  see_experts(f, {&block.down}, routing, activated, true);
  const kernels::LinearOut down[] = {{block.down.weight.get(), slot_out}};
  f.device.expert_linear(activated, true, routing, down);
  f.device.combine(slot_out, routing, out);

  if (!block.shared_router.exists()) return;
  const Tensor shared_gate = w.shared_gate.matrix(n, 1), shared = w.shared.matrix(n, x.columns);
  const kernels::LinearOut gates[] = {{block.shared_router.weight.get(), shared_gate}};
  f.device.linear(x, gates);
  run(f, block.shared, x, shared);
  f.device.add_gated(shared, shared_gate, out);
}

}  // namespace

Status bind_block(Binder& binder, const std::string& prefix, Experts* block) {
  using kernels::Precision;
  const arch::MoeConfig& m = binder.config().moe;
  const std::int64_t hidden = binder.config().hidden;
  const auto n_experts = static_cast<std::size_t>(m.n_experts);
  const std::string at = prefix + "mlp.";
  JANG_TRY(binder.take(at + "gate", m.n_experts, hidden, Precision::exact, &block->router));
  JANG_TRY(binder.take(at + "experts.gate_proj", m.ffn, hidden, binder.precision(), &block->gate, n_experts));
  JANG_TRY(binder.take(at + "experts.up_proj", m.ffn, hidden, binder.precision(), &block->up, n_experts));
  JANG_TRY(binder.take(at + "experts.down_proj", hidden, m.ffn, binder.precision(), &block->down, n_experts));
  if (m.shared_ffn == 0) return {};
  JANG_TRY(binder.take(at + "shared_expert_gate", 1, hidden, Precision::exact, &block->shared_router));
  return bind_block(binder, at + "shared_expert.", m.shared_ffn, &block->shared);
}

bool reserve(Forward& f, const Experts& block) {
  Workspace& w = f.workspace;
  kernels::Device& d = f.device;
  const arch::MoeConfig& moe = f.config.moe;
  const std::int64_t chunk = f.chunk_tokens(), slots = chunk * moe.top_k, hidden = f.config.hidden;
  if (block.shared_router.exists() && !(reserve(f, block.shared) && w.shared_gate.reserve(d, chunk) && w.shared.reserve(d, chunk * hidden)))
    return false;
  if (f.kept != nullptr && !(f.kept->slot_activated.reserve(d, slots * moe.ffn) && f.kept->router.reserve(d, chunk * moe.n_experts)))
    return false;
  if (f.probe != nullptr && !w.gathered.reserve(d, chunk * hidden)) return false;
  return w.router.reserve(d, chunk * moe.n_experts) && w.slot_gate.reserve(d, slots * moe.ffn) && w.slot_up.reserve(d, slots * moe.ffn) &&
         w.slot_out.reserve(d, slots * hidden) && w.route_weights.reserve(d, slots) && w.route_slots.reserve(d, slots, DType::i32) &&
         w.route_tokens.reserve(d, slots, DType::i32) && w.route_begin.reserve(d, moe.n_experts + 1, DType::i32);
}

void run(Forward& f, const Experts& block, const Tensor& x, const Tensor& out) {
  for (std::int64_t begin = 0; begin < x.rows; begin += f.chunk_tokens()) {
    const std::int64_t chunk = std::min(f.chunk_tokens(), x.rows - begin);
    run_chunk(f, block, x.row_range(begin, chunk), out.row_range(begin, chunk));
  }
}

}  // namespace jang::model
