// SPDX-License-Identifier: Apache-2.0
// One NVIDIA card as a Device: buffers and weights in its memory, ops as kernels on one stream. This class turns tensors into addresses and
// chooses kernels; what a thread does is in the .cu files (launch.h).
//
// The host runs ahead of the card: an op returns when its kernels are enqueued, or kept back for the next op to join them (cuda_step.cpp);
// wait() and read() return when they are done. Small host values (tokens, positions, page tables) go through a ring of pinned memory, which
// wait() empties. Errors of the runtime are kept for wait().
//
// Members are defined by subject: cuda_device.cpp (memory, rows), cuda_upload.cpp (weights), cuda_linear.cpp (maps, mixtures, Gram
// matrices), cuda_step.cpp (ops of one row that become one kernel), cuda_attention.cpp, cuda_recurrent.cpp. Gradients are a class of their
// own (cuda_backward.h).
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernels/cuda/attention.h"
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/linear_fast.h"
#include "kernels/cuda/linear_one.h"
#include "kernels/device.h"

namespace jang {
class ThreadPool;
}

namespace jang::kernels::cuda {

class CudaDevice;

// Memory of the card. What the device still keeps back is enqueued before memory goes.
struct CudaBuffer final : Buffer {
  CudaBuffer(std::int64_t bytes, std::byte* at, std::shared_ptr<CudaDevice*> owner) : Buffer(bytes), data(at), owner_(std::move(owner)) {}
  ~CudaBuffer() override;
  std::byte* data;

 private:
  std::shared_ptr<CudaDevice*> owner_;  // null inside when the device is gone
};

// Row `row` of a tensor of this device.
template <typename T = float>
[[nodiscard]] T* address(const Tensor& t, std::int64_t row = 0) {
  return reinterpret_cast<T*>(static_cast<CudaBuffer*>(t.buffer)->data + t.offset + row * t.stride * size_bytes(t.dtype));
}
[[nodiscard]] inline Rows rows_of(const Tensor& t) { return t.exists() ? Rows{address(t), t.stride} : Rows(); }
[[nodiscard]] inline const float* values_or_null(const Tensor& t) { return t.exists() ? address(t) : nullptr; }

struct CudaWeight final : Weight {
  Matrices matrices;
  std::unique_ptr<CudaBuffer> memory, bias;
  bool fast = false;  // multiplied by linear_fast.h
  [[nodiscard]] const float* bias_values() const { return bias == nullptr ? nullptr : reinterpret_cast<const float*>(bias->data); }
};
[[nodiscard]] inline const CudaWeight& cuda_weight(const Weight& w) { return static_cast<const CudaWeight&>(w); }

class CudaDevice final : public Device {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Device>> open(ThreadPool* pool);
  ~CudaDevice() override;

  [[nodiscard]] std::string_view name() const override { return kCudaName; }
  [[nodiscard]] bool has_own_memory() const override { return true; }
  [[nodiscard]] double read_gbps();

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

  [[nodiscard]] Status check(const RouteRule& rule) const override;
  [[nodiscard]] Status check(Activation activation) const override;
  [[nodiscard]] Status check(const Attend& op) const override;
  [[nodiscard]] Status check(const Scan& op) const override;
  [[nodiscard]] Status check(RowFactors op) const override;
  void route(const Route& op) override;
  void expert_linear(const Tensor& x, bool by_slot, const Routing& routing, std::span<const LinearOut> outs) override;
  void combine(const Tensor& x, const Routing& routing, const Tensor& out) override;

  void gram(const Tensor& x, const Tensor& out) override;

  [[nodiscard]] Backward* backward() override { return backward_.get(); }

  [[nodiscard]] EncodeError encode(EncodeMethod method, const EncodeArgs& args) const override;

 private:
  friend class CudaBackward;
  friend struct CudaBuffer;
  explicit CudaDevice(ThreadPool* pool);
  [[nodiscard]] Status start();

  // Keeps the first failure for wait(); false when there is one.
  bool check(cudaError_t error, const char* what);
  // Behind every op: what the runtime says of its launches.
  void launched(const char* op) { check(cudaPeekAtLastError(), op); }
  void fail(StatusCode code, std::string message);

  // Host bytes on their way to the card, in the order of the stream. False, and the failure is kept, when the runtime refuses.
  bool send(const void* from, std::int64_t bytes, void* to);
  // Memory of the card that is kept from op to op and grows; null, and the failure is kept, when there is none.
  std::byte* scratch(std::unique_ptr<CudaBuffer>* block, std::int64_t bytes);
  [[nodiscard]] std::unique_ptr<CudaBuffer> take(std::int64_t bytes);
  [[nodiscard]] Status no_room(std::int64_t bytes) const;

  void multiply(const Tensor& x, const Columns& columns, std::span<const LinearOut> outs, float softcap);
  void enqueue(const AddNorm& op);

  // Ops of a single row may be kept back until the next one is known, which may become one kernel with them (cuda_step.cpp). Whoever
  // enqueues takes the stream from here, so that nothing overtakes them.
  [[nodiscard]] cudaStream_t stream() {
    flush();
    return stream_;
  }
  void flush();
  // Each returns whether it took care of the op.
  bool keep_norm(const AddNorm& op);
  bool keep_maps(const Tensor& x, std::span<const LinearOut> outs, float softcap);
  bool add_to_maps(const AddNorm& op);
  bool gate_maps(Activation activation, const Tensor& gate, const Tensor& up, const Tensor& out);
  void launch_maps(const OneFollower& follower);

  // Copies of weights, through two pinned blocks.
  struct Plane {
    const std::byte* from = nullptr;
    std::byte* to = nullptr;
    std::int64_t rows = 0, row_bytes = 0, pitch = 0;
  };
  [[nodiscard]] Status make_blocks();
  [[nodiscard]] Status copy_planes(const std::vector<Plane>& planes);
  // Copies from the card through the pinned blocks, behind all that is enqueued. Threads of the pool take part.
  [[nodiscard]] Status fetch(const std::byte* from, std::int64_t bytes, std::byte* to);
  [[nodiscard]] Status upload_bias(std::span<const float> bias, CudaWeight* weight);

  // The batch as kernels see it: places of rows, page addresses, tiles of rows; sent when it changes.
  struct BatchTables {
    const RowPlace* places = nullptr;
    std::byte* const* pages = nullptr;
    const std::int32_t* tiles = nullptr;
    std::int64_t n_tiles = 0, first_position = 0, last_position = 0;
  };
  [[nodiscard]] bool tables_of(const KvBatch& batch, std::int64_t rows_per_tile, BatchTables* tables);
  [[nodiscard]] Caches caches_of(const KvLayer& layer, const BatchTables& tables) const;

  ThreadPool* pool_;
  cudaStream_t stream_ = nullptr;
  int multiprocessors_ = 1;
  std::string card_;
  std::int64_t weight_bytes_ = 0;  // that were uploaded, for messages

  std::byte* ring_ = nullptr;  // pinned
  std::int64_t ring_at_ = 0;
  int* overflowed_ = nullptr;  // in pinned memory; kernels set it when an f16 cache has no number for a value
  std::byte* blocks_[2] = {};  // pinned, for much at once; made when first needed
  cudaEvent_t block_free_[2] = {};

  // Kept back, one of them at a time: a norm without branch; maps of one input, which may be that norm's result; rotations.
  struct KeptRope {
    RopeStoreArgs args;
    Caches caches;
  };
  struct Waiting {
    std::optional<AddNorm> norm;
    std::optional<KeptRope> rope;
    std::vector<FastMap> maps;
    std::vector<Tensor> results;  // of the maps
    OneInput input;
    std::vector<Tensor> sources;  // what the maps read: nothing behind them may write it in the same kernel
  };
  Waiting waiting_;
  std::shared_ptr<CudaDevice*> self_ = std::make_shared<CudaDevice*>(this);  // before the buffers below

  Status failed_;
  std::unique_ptr<CudaBuffer> inputs_, partials_, chosen_, tables_, points_;
  std::vector<std::byte> tables_sent_, tables_now_;  // contents of tables_
  std::unique_ptr<Backward> backward_;
};

}  // namespace jang::kernels::cuda
