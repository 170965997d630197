// SPDX-License-Identifier: Apache-2.0
// Gradients on the card: tensors become addresses and lists of products; what a thread does is in the .cu files. Memory, the stream and the
// first failure are the device's.
//
// Members are defined by subject: cuda_backward_linear.cpp, cuda_backward_rows.cpp, cuda_backward_attention.cpp,
// cuda_backward_recurrent.cpp, cuda_backward_training.cpp.
#pragma once

#include <memory>
#include <vector>

#include "kernels/backward.h"
#include "kernels/cuda/cuda_device.h"
#include "kernels/cuda/products.h"

namespace jang::kernels::cuda {

class CudaBackward final : public Backward {
 public:
  // The device outlives it.
  explicit CudaBackward(CudaDevice& device) : device_(device) {}

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
  // Some query heads of a text that share a key-value head, and the scratch of each for the scores of a block of queries.
  struct Group {
    const SequenceRun* text = nullptr;
    std::int64_t kv_head = 0;
    float* scratch = nullptr;
  };
  void attend(const AttendGradient& op, std::span<const Group> groups);

  // Numbers the tiles of the products and brings them to the card. Null when there is nothing to do, or no memory: the device keeps that.
  const Product* place(std::vector<Product>& products, int tile, std::int64_t* tiles);
  // Host bytes on the card, until the next list of this kind.
  const void* list(std::unique_ptr<CudaBuffer>* block, const void* from, std::int64_t bytes);

  CudaDevice& device_;
  std::unique_ptr<CudaBuffer> lists_, scores_, scratch_;
};

}  // namespace jang::kernels::cuda
