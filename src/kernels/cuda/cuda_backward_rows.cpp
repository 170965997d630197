// SPDX-License-Identifier: Apache-2.0
// Backward of the ops on rows and of routing on the card.
#include "kernels/cuda/backward_rows.h"
#include "kernels/cuda/cuda_backward.h"

namespace jang::kernels::cuda {

void CudaBackward::add(const Tensor& x, const Tensor& to) {
  add_rows(rows_of(x), rows_of(to), x.rows, x.columns, device_.stream());
  device_.launched("gradient of add");
}

void CudaBackward::norm(const NormGradient& op) {
  NormBackArgs a;
  a.x = rows_of(op.x);
  a.dout = rows_of(op.dout);
  a.dx = rows_of(op.dx);
  a.norm = values_or_null(op.norm);
  a.n = op.x.rows;
  a.columns = op.x.columns;
  a.eps = op.eps;
  a.offset = op.offset;
  a.centred = op.centred;
  a.add = op.add;
  norm_back(a, device_.stream());
  device_.launched("gradient of norm");
}

void CudaBackward::glu(Activation activation, const Tensor& gate, const Tensor& up, const Tensor& dout, const Tensor& dgate,
                       const Tensor& dup) {
  GluBackArgs a;
  a.gate = rows_of(gate);
  a.up = rows_of(up);
  a.dout = rows_of(dout);
  a.dgate = rows_of(dgate);
  a.dup = rows_of(dup);
  a.n = dout.rows;
  a.columns = dout.columns;
  a.activation = static_cast<int>(activation);
  glu_back(a, device_.stream());
  device_.launched("gradient of glu");
}

void CudaBackward::add_gated(const Tensor& x, const Tensor& gate, const Tensor& dout, const Tensor& dx, const Tensor& dgate) {
  add_gated_back(rows_of(x), rows_of(gate), rows_of(dout), rows_of(dx), rows_of(dgate), x.rows, x.columns, device_.stream());
  device_.launched("gradient of add_gated");
}

void CudaBackward::combine(const Tensor& x, const Routing& routing, const Tensor& dout, const Tensor& dx, const Tensor& dweights) {
  CombineBackArgs a;
  a.x = rows_of(x);
  a.weights = rows_of(routing.weights);
  a.dout = rows_of(dout);
  a.dx = rows_of(dx);
  a.dweights = rows_of(dweights);
  a.slots = address<const std::int32_t>(routing.slots);
  a.n = dout.rows;
  a.columns = dout.columns;
  a.top_k = routing.slots.columns;
  combine_back(a, device_.stream());
  device_.launched("gradient of combine");
}

void CudaBackward::route(const Tensor& logits, const RouteRule& rule, const Routing& routing, const Tensor& dweights,
                         const Tensor& dlogits) {
  RouteBackArgs a;
  a.logits = rows_of(logits);
  a.dweights = rows_of(dweights);
  a.dlogits = rows_of(dlogits);
  a.slots = address<const std::int32_t>(routing.slots);
  a.begin = address<const std::int32_t>(routing.begin);
  a.n = logits.rows;
  a.experts = static_cast<std::int32_t>(logits.columns);
  a.top_k = static_cast<std::int32_t>(routing.slots.columns);
  a.normalized = rule.normalized;
  route_back(a, device_.stream());
  device_.launched("gradient of route");
}

void CudaBackward::sum_slots(const Tensor& dslots, const Routing& routing, const Tensor& dx) {
  cuda::sum_slots(rows_of(dslots), address<const std::int32_t>(routing.slots), routing.slots.columns, rows_of(dx), dx.rows, dx.columns,
                  device_.stream());
  device_.launched("gradient of slots");
}

}  // namespace jang::kernels::cuda
