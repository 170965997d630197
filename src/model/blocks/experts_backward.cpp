// SPDX-License-Identifier: Apache-2.0
// Backward of the mixture: from the sum through the slots to router and input, then the shared expert.
#include "model/blocks/experts_backward.h"

#include "model/blocks/mlp_backward.h"

namespace jang::model {
namespace {

using kernels::LinearGradient;
using kernels::Routing;
using kernels::Tensor;

// Hands over the gradients of the maps expert by expert. x and dy: by slot.
struct ExpertGradient {
  const Linear* map;
  Tensor dy;
};
void hand_over(BackwardPass& pass, std::initializer_list<ExpertGradient> maps, const Routing& routing, const Tensor& x) {
  std::vector<std::int32_t> begin(static_cast<std::size_t>(routing.begin.rows));
  if (pass.status.ok()) pass.status = pass.forward.device.read(routing.begin, begin.data());
  std::vector<MapGradient> all;
  for (std::size_t e = 0; e + 1 < begin.size(); ++e) {
    const std::int64_t first = begin[e], n = begin[e + 1] - begin[e];
    if (n == 0) continue;
    for (const ExpertGradient& map : maps) all.push_back({map.map, static_cast<int>(e), map.dy.row_range(first, n), x.row_range(first, n)});
  }
  if (pass.status.ok()) pass.weights(all);
}

// Of weights that multiply what experts read: dslots, the gradient of that, gives those of the weights and, in dread, of x.
void inputs_backward(BackwardPass& pass, const Tensor& x, const Routing& routing, const Tensor& dslots, const Tensor& dweights,
                     const Tensor& dread) {
  const Forward& f = pass.forward;
  const Tensor by_slot = pass.space.slot_weights.matrix(dslots.rows, 1);
  pass.ops.combine(x, by_slot_of(f, routing), dslots, dread, by_slot);
  f.device.gather_rows(by_slot, routing.slots, dweights);
}

void shared_backward(BackwardPass& pass, const Experts& block, const Tensor& x, const Tensor& dout, const Tensor& dx) {
  if (!block.spec.shared->gated) return backward(pass, block.shared, x, dout, true, dx);
  const Workspace& w = pass.forward.workspace;
  if (!pass.reserve(&pass.space.shared, x.rows, x.columns) || !pass.reserve(&pass.space.shared_gate, x.rows, 1)) return;
  const Tensor dshared = pass.space.shared.matrix(x.rows, x.columns), dgate = pass.space.shared_gate.matrix(x.rows, 1);
  pass.ops.add_gated(w.shared.matrix(x.rows, x.columns), w.shared_gate.matrix(x.rows, 1), dout, dshared, dgate);
  pass.weight(block.shared_router, dgate, x);
  const LinearGradient gates[] = {{block.shared_router.weight.get(), dgate}};
  pass.ops.linear(gates, true, dx);
  backward(pass, block.shared, x, dshared, true, dx);
}

// A sum over no rows is zero.
void clear(BackwardPass& pass, const Tensor& x, const Tensor& to) {
  Tensor none = x.row_range(0, 0);
  none.columns = to.rows;
  const kernels::WeightGradient nothing[] = {{none, x.row_range(0, 0), to}};
  pass.ops.weight(nothing);
}

}  // namespace

void backward(BackwardPass& pass, const Experts& block, const Tensor& x, const Tensor& dout, const Tensor& dx) {
  backward(pass, block, x, x, dout, dx, dx);
}

void backward(BackwardPass& pass, const Experts& block, const Tensor& x, const Tensor& router_x, const Tensor& dout, const Tensor& dx,
              const Tensor& drouter_x) {
  const Forward& f = pass.forward;
  const arch::ExpertsSpec& moe = block.spec;
  const std::int64_t ffn = moe.expert.ffn;
  const Workspace& w = f.workspace;
  GradientSpace& space = pass.space;
  const std::int64_t n = x.rows, slots = n * moe.top_k, hidden = x.columns;
  if (!pass.reserve(&space.slots, slots, hidden) || !pass.reserve(&space.slot_ffn, slots, ffn) ||
      !pass.reserve(&space.weights, n, moe.top_k) || !pass.reserve(&space.router, n, moe.n_experts))
    return;
  const Routing routing{w.route_weights.matrix(n, moe.top_k), w.route_slots.matrix(n, moe.top_k, DType::i32),
                        w.route_tokens.matrix(slots, 1, DType::i32), w.route_begin.matrix(moe.n_experts + 1, 1, DType::i32)};
  const auto [gate, up] = slot_inputs_of(w, moe, slots);
  const Tensor slot_out = w.slot_out.matrix(slots, hidden), dslots = space.slots.matrix(slots, hidden);
  const Tensor dactivated = space.slot_ffn.matrix(slots, ffn), dweights = space.weights.matrix(n, moe.top_k);
  const Tensor dlogits = space.router.matrix(n, moe.n_experts);

  if (moe.weighs_inputs && !pass.reserve(&space.slot_weights, slots, 1)) return;
  if (moe.weighs_inputs)
    f.device.gather_rows(dout, routing.tokens, dslots);
  else
    pass.ops.combine(slot_out, routing, dout, dslots, dweights);
  hand_over(pass, {{&block.down, dslots}}, routing, f.kept->slot_activated.matrix(slots, ffn));
  const LinearGradient down[] = {{block.down.weight.get(), dslots}};
  pass.ops.expert_linear(down, routing, false, dactivated);
  pass.ops.glu(kernel_of(moe.expert.activation), gate, up, dactivated, gate, up);
  const Tensor read = moe.weighs_inputs ? w.slot_in.matrix(slots, hidden) : slot_out;
  if (!moe.weighs_inputs) f.device.gather_rows(x, routing.tokens, read);
  if (moe.expert.gated) {
    hand_over(pass, {{&block.gate, gate}, {&block.up, up}}, routing, read);
    const LinearGradient maps[] = {{block.gate.weight.get(), gate}, {block.up.weight.get(), up}};
    pass.ops.expert_linear(maps, routing, false, dslots);
  } else {
    hand_over(pass, {{&block.up, gate}}, routing, read);
    const LinearGradient map[] = {{block.up.weight.get(), gate}};
    pass.ops.expert_linear(map, routing, false, dslots);
  }
  if (moe.weighs_inputs) inputs_backward(pass, x, routing, dslots, dweights, slot_out);

  pass.ops.route(f.kept->router.matrix(n, moe.n_experts), block.rule, routing, dweights, dlogits);
  pass.weight(block.router, dlogits, router_x);
  const LinearGradient router[] = {{block.router.weight.get(), dlogits}};
  pass.ops.linear(router, false, drouter_x);
  if (drouter_x.buffer != dx.buffer) clear(pass, x, dx);
  if (moe.weighs_inputs)
    pass.ops.add(slot_out, dx);
  else
    pass.ops.sum_slots(dslots, routing, dx);
  if (moe.shared) shared_backward(pass, block, x, dout, dx);
}

}  // namespace jang::model
