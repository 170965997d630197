// SPDX-License-Identifier: Apache-2.0
// Gradients on the processor: plain loops over rows, tokens and heads, shared out to the threads; what takes time goes through the product
// of the instruction set (kernels/ops.h).
//
// Members are defined by subject: cpu_backward_linear.cpp, cpu_backward_rows.cpp, cpu_backward_attention.cpp, cpu_backward_recurrent.cpp,
// cpu_backward_scan.cpp, cpu_backward_training.cpp.
#pragma once

#include "base/aligned_buffer.h"
#include "kernels/backward.h"
#include "kernels/cpu/parallel.h"
#include "kernels/ops.h"

namespace jang::kernels {

class CpuBackward : public Backward {
 public:
  // Both outlive it.
  CpuBackward(const Ops& ops, const Parallel& parallel) : ops_(ops), parallel_(parallel) {}

  void linear(std::span<const LinearGradient> maps, bool add, const Tensor& dx) override;
  void expert_linear(std::span<const LinearGradient> maps, const Routing& routing, bool add, const Tensor& dx) override;
  void weight(std::span<const WeightGradient> products) override;
  void softcap(const Tensor& logits, float softcap, const Tensor& dlogits) override;

  void divergence(const Tensor& reference, float weight, const Tensor& logits, const Tensor& sums) override;
  void train(const PackedStep& step) override;

  void embed(const Tensor& ids, float scale, const Tensor& dout, std::int64_t first, const Tensor& dtable) override;
  void add(const Tensor& x, const Tensor& to) override;
  void norm(const NormGradient& op) override;
  void glu(Activation activation, const Tensor& gate, const Tensor& up, const Tensor& dout, const Tensor& dgate,
           const Tensor& dup) override;
  void add_gated(const Tensor& x, const Tensor& gate, const Tensor& dout, const Tensor& dx, const Tensor& dgate) override;

  void rope(const RopeGradient& op) override;
  void attend(const AttendGradient& op, std::span<const SequenceRun> texts) override;
  void conv(const ConvGradient& op, std::span<const SequenceRun> texts) override;
  void delta(const DeltaGradient& op, std::span<const SequenceRun> texts) override;
  void scan(const ScanGradient& op, std::span<const SequenceRun> texts) override;

  void combine(const Tensor& x, const Routing& routing, const Tensor& dout, const Tensor& dx, const Tensor& dweights) override;
  void route(const Tensor& logits, const RouteRule& rule, const Routing& routing, const Tensor& dweights, const Tensor& dlogits) override;
  void sum_slots(const Tensor& dslots, const Routing& routing, const Tensor& dx) override;

 private:
  const Ops& ops_;
  const Parallel& parallel_;
};

}  // namespace jang::kernels
