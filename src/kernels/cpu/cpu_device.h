// SPDX-License-Identifier: Apache-2.0
// The processor as a Device: buffers are host memory, weights stay where they lie (in a mapped file), work is cut into tasks for a thread
// pool. What a task does on one row is the instruction set's (kernels/ops.h); this class knows rows, tasks and threads only.
//
// Members are defined by subject: cpu_device.cpp (memory, rows), cpu_linear.cpp, cpu_attention.cpp, cpu_recurrent.cpp, cpu_experts.cpp.
#pragma once

#include <atomic>
#include <cmath>
#include <vector>

#include "base/aligned_buffer.h"
#include "kernels/cpu/cpu_backward.h"
#include "kernels/cpu/linear_tasks.h"
#include "kernels/cpu/parallel.h"
#include "kernels/device.h"
#include "kernels/instruction_set.h"

namespace jang::kernels {

// Host memory of a device. `data` is aligned to 64 bytes.
struct CpuBuffer : Buffer {
  CpuBuffer(std::int64_t bytes, std::byte* at) : Buffer(bytes), data(at) {}
  std::byte* data;
};

class CpuDevice : public Device {
 public:
  // `pool` outlives the device; null: the calling thread only.
  CpuDevice(const InstructionSet& set, ThreadPool* pool) : set_(set), ops_(*set.ops), parallel_(pool) {}

  [[nodiscard]] std::string_view name() const override { return set_.name; }

  [[nodiscard]] std::unique_ptr<Buffer> allocate(std::int64_t bytes) override;
  [[nodiscard]] Status write(const void* from, const Tensor& to) override;
  [[nodiscard]] Status read(const Tensor& from, void* to) override;
  [[nodiscard]] Status wait() override;
  [[nodiscard]] Result<std::unique_ptr<Weight>> upload(const WeightSource& source) override;
  [[nodiscard]] Result<std::unique_ptr<Weight>> share(const Tensor& values, std::int64_t n, std::span<const float> bias) override;

  void embed(const Weight& table, const Tensor& ids, float scale, const Tensor& out) override;
  void copy(const Tensor& from, const Tensor& to) override;
  void copy_columns(const Tensor& from, std::span<const ColumnCopy> copies) override;
  void gather_rows(const Tensor& x, const Tensor& rows, const Tensor& out) override;
  void add_norm(const AddNorm& op) override;
  void glu(Activation activation, const Tensor& gate, const Tensor& up, const Tensor& out) override;
  void add_gated(const Tensor& x, const Tensor& gate, const Tensor& out) override;

  void linear(const Tensor& x, std::span<const LinearOut> outs) override;
  void head(const Tensor& x, const Weight& weight, float softcap, const Tensor& logits) override;
  void draw(const Tensor& logits, std::span<const double> at, const Tensor& ids) override;

  void rotation(const Tensor& positions, const Tensor& frequencies, float factor, const Tensor& cosines, const Tensor& sines) override;
  void rope_store(const RopeStore& op, const KvBatch& batch) override;
  void attend(const Attend& op, const KvBatch& batch) override;

  void conv(const Conv& op, std::span<const SequenceRun> runs) override;
  void delta(const Delta& op, std::span<const SequenceRun> runs) override;
  void scan(const Scan& op, std::span<const SequenceRun> runs) override;

  void route(const Route& op) override;
  void expert_linear(const Tensor& x, bool by_slot, const Routing& routing, std::span<const LinearOut> outs) override;
  void combine(const Tensor& x, const Routing& routing, const Tensor& out) override;

  void gram(const Tensor& x, const Tensor& out) override;
  [[nodiscard]] Backward* backward() override { return &backward_; }

  [[nodiscard]] EncodeError encode(EncodeMethod method, const EncodeArgs& args) const override;

 protected:
  [[nodiscard]] const Ops& ops() const { return ops_; }
  [[nodiscard]] const Parallel& parallel() const { return parallel_; }

 private:
  // Room in one of the scratch blocks; null, and the failure is kept for wait(), when there is no memory.
  template <typename T>
  T* room(AlignedBuffer<T>* block, std::int64_t n) {
    if (block->reserve(n)) return block->get();
    fail(n * static_cast<std::int64_t>(sizeof(T)));
    return nullptr;
  }
  void fail(std::int64_t bytes);
  [[nodiscard]] Status failure() const;

  const InstructionSet& set_;
  const Ops& ops_;
  Parallel parallel_;
  CpuBackward backward_{ops_, parallel_};
  std::atomic<bool> overflowed_ = false;           // keys or values exceeded an f16 cache
  Status failed_;                                  // first failure since the last wait()
  AlignedBuffer<std::byte> inputs_, slot_inputs_;  // prepared rows
  AlignedBuffer<float> states_;                    // of blocks of a convolution
  std::vector<RowTask> tasks_;                     // kept: a decode step makes hundreds of these lists
  std::vector<std::int32_t> experts_;              // chosen ones, [n, top_k]
  std::vector<const std::byte*> pages_;            // addresses of the pages of all runs
};

// Row `row` of a tensor of this device.
template <typename T = float>
[[nodiscard]] T* row_of(const Tensor& t, std::int64_t row = 0) {
  return reinterpret_cast<T*>(static_cast<CpuBuffer*>(t.buffer)->data + t.offset + row * t.stride * size_bytes(t.dtype));
}

// log(1 + exp(x)), of which the recurrences make their steps.
[[nodiscard]] inline float softplus(float x) { return x > 20.0f ? x : std::log1p(std::exp(x)); }

}  // namespace jang::kernels
