// SPDX-License-Identifier: Apache-2.0
// Linear maps on the card: those on the tensor cores share their prepared inputs and go out together where their formats agree.
#include <algorithm>
#include <cmath>

#include "base/checked.h"
#include "kernels/cuda/cuda_device.h"
#include "kernels/cuda/draw.h"
#include "kernels/cuda/experts.h"
#include "kernels/cuda/linear_exact.h"
#include "kernels/cuda/rows.h"

namespace jang::kernels::cuda {

void CudaDevice::multiply(const Tensor& x, const Columns& columns, std::span<const LinearOut> outs, float softcap) {
  if (columns.n == 0) return;
  FastInputs inputs;
  std::vector<bool> done(outs.size(), false);
  for (std::size_t i = 0; i < outs.size(); ++i) {
    if (done[i]) continue;
    const CudaWeight& w = cuda_weight(*outs[i].weight);
    if (!w.fast) {
      linear_exact({w.matrices, w.bias_values(), rows_of(x), rows_of(outs[i].y), columns}, multiprocessors_, stream());
      launched("linear");
      if (softcap != 0) soft_cap(rows_of(outs[i].y), softcap, outs[i].y.rows, outs[i].y.columns, stream());
      continue;
    }
    const Matrices& m = w.matrices;
    const FastPlan plan = fast_plan(m, columns);
    if (inputs.plan != plan) {
      std::byte* memory = scratch(&inputs_, fast_input_bytes(std::max(x.rows, columns.n), m.columns));
      if (memory == nullptr) return;
      inputs = prepare_fast(plan, rows_of(x), x.rows, columns, m.columns, memory, stream());
    }
    FastMap maps[kMapsPerLaunch];
    int n = 0;
    for (std::size_t j = i; j < outs.size() && n < kMapsPerLaunch; ++j) {
      const CudaWeight& other = cuda_weight(*outs[j].weight);
      const Matrices& o = other.matrices;
      if (done[j] || !other.fast || o.bits != m.bits || o.group != m.group || o.param != m.param) continue;
      maps[n++] = {o, other.bias_values(), rows_of(outs[j].y), softcap};
      done[j] = true;
    }
    linear_fast(maps, n, inputs, columns, stream());
    launched("linear");
    // Inputs of another form take the same memory: kernels run in order.
  }
}

void CudaDevice::linear(const Tensor& x, std::span<const LinearOut> outs) {
  if (keep_maps(x, outs, 0)) return;
  Columns columns;
  columns.n = x.rows;
  multiply(x, columns, outs, 0);
}

void CudaDevice::head(const Tensor& x, const Weight& weight, float softcap, const Tensor& logits) {
  Columns columns;
  columns.n = x.rows;
  const LinearOut out[] = {{&weight, logits}};
  if (keep_maps(x, out, softcap)) return;
  multiply(x, columns, out, softcap);
}

void CudaDevice::draw(const Tensor& logits, std::span<const double> at, const Tensor& ids) {
  const auto bytes = static_cast<std::int64_t>(at.size_bytes());
  std::byte* points = scratch(&points_, bytes);
  if (points == nullptr || !send(at.data(), bytes, points)) return;
  cuda::draw(rows_of(logits), reinterpret_cast<const double*>(points), address<std::int32_t>(ids), logits.rows, logits.columns, stream());
  launched("draw");
}

void CudaDevice::expert_linear(const Tensor& x, bool by_slot, const Routing& routing, std::span<const LinearOut> outs) {
  Columns columns;
  columns.n = routing.tokens.rows;
  columns.begin = address<const std::int32_t>(routing.begin);
  columns.tokens = by_slot ? nullptr : address<const std::int32_t>(routing.tokens);
  columns.experts = static_cast<std::int32_t>(routing.begin.rows - 1);
  multiply(x, columns, outs, 0);
}

void CudaDevice::gram(const Tensor& x, const Tensor& out) {
  cuda::gram(address(x), x.rows, x.columns, address(out), stream());
  launched("gram");
}

Status CudaDevice::check(const RouteRule& rule) const {
  if (rule.plain()) return {};
  return {StatusCode::unsupported,
          "the device cuda routes by softmax alone: it computes no sigmoid, groups, correction or scales of a router"};
}

Status CudaDevice::check(Activation activation) const {
  if (activation != Activation::swiglu_oai) return {};
  return {StatusCode::unsupported, "the device cuda does not compute the clamped SwiGLU of gpt-oss"};
}

Status CudaDevice::check(const Attend& op) const {
  if (!op.sinks.exists()) return {};
  return {StatusCode::unsupported, "the device cuda computes no attention with sinks"};
}

Status CudaDevice::check(RowFactors /*op*/) const {
  return {StatusCode::unsupported, "the device cuda does not multiply what a layer gives by a number of the layer"};
}

void CudaDevice::route(const Route& op) {
  RouteArgs a;
  a.logits = rows_of(op.logits);
  a.weights = rows_of(op.routing.weights);
  a.n = op.logits.rows;
  a.experts = static_cast<std::int32_t>(op.logits.columns);
  a.top_k = static_cast<std::int32_t>(op.routing.slots.columns);
  a.normalized = op.rule.normalized;
  a.slots = address<std::int32_t>(op.routing.slots);
  a.tokens = address<std::int32_t>(op.routing.tokens);
  a.begin = address<std::int32_t>(op.routing.begin);
  a.chosen = reinterpret_cast<std::int32_t*>(scratch(&chosen_, a.n * a.top_k * 4));
  if (a.chosen == nullptr) return;
  cuda::route(a, stream());
  launched("route");
}

void CudaDevice::combine(const Tensor& x, const Routing& routing, const Tensor& out) {
  cuda::combine(rows_of(x), rows_of(routing.weights), address<const std::int32_t>(routing.slots), routing.slots.columns, rows_of(out),
                out.rows, out.columns, stream());
  launched("combine");
}

}  // namespace jang::kernels::cuda
