// SPDX-License-Identifier: Apache-2.0
// A CPU device whose memory host code cannot touch: pages are without any right outside the device's own functions, so that a pointer that
// strays from the graph into a tensor ends the test with a fault. Stands for every device whose memory is elsewhere.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <utility>

#include "base/checked.h"
#include "kernels/cpu/cpu_device.h"

namespace jang::test {

class GuardedDevice final : public kernels::CpuDevice {
 public:
  explicit GuardedDevice(ThreadPool* pool) : CpuDevice(*kernels::find_instruction_set(), pool) {
    void* at = mmap(nullptr, kArenaBytes + kHugePage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) std::abort();
    mapped_ = static_cast<std::byte*>(at);
    arena_ = reinterpret_cast<std::byte*>(round_up<std::uintptr_t>(reinterpret_cast<std::uintptr_t>(at), kHugePage));
    madvise(arena_, kArenaBytes, MADV_HUGEPAGE);  // rights change with every op, and cost by the page
  }
  ~GuardedDevice() override { munmap(mapped_, kArenaBytes + kHugePage); }

  // Addresses are not used again: a pointer into what was freed is a fault too.
  [[nodiscard]] std::unique_ptr<kernels::Buffer> allocate(std::int64_t bytes) override {
    if (bytes > static_cast<std::int64_t>(kArenaBytes - used_)) return nullptr;
    std::byte* at = arena_ + used_;
    const std::size_t size = round_up<std::size_t>(static_cast<std::size_t>(std::max<std::int64_t>(bytes, 1)), 4096);
    used_ += size;
    if (depth_ > 0) protect(PROT_READ | PROT_WRITE);
    return std::make_unique<GuardedBuffer>(bytes, at, size);
  }

  Status write(const void* from, const kernels::Tensor& to) override {
    const Opened opened(this);
    return CpuDevice::write(from, to);
  }
  Status read(const kernels::Tensor& from, void* to) override {
    const Opened opened(this);
    return CpuDevice::read(from, to);
  }
  Status wait() override {
    const Opened opened(this);
    return CpuDevice::wait();
  }

  void embed(const kernels::Weight& table, const kernels::Tensor& ids, float scale, const kernels::Tensor& out) override {
    const Opened opened(this);
    CpuDevice::embed(table, ids, scale, out);
  }
  void copy(const kernels::Tensor& from, const kernels::Tensor& to) override {
    const Opened opened(this);
    CpuDevice::copy(from, to);
  }
  void copy_columns(const kernels::Tensor& from, std::span<const kernels::ColumnCopy> copies) override {
    const Opened opened(this);
    CpuDevice::copy_columns(from, copies);
  }
  void gather_rows(const kernels::Tensor& x, const kernels::Tensor& rows, const kernels::Tensor& out) override {
    const Opened opened(this);
    CpuDevice::gather_rows(x, rows, out);
  }
  void add_norm(const kernels::AddNorm& op) override {
    const Opened opened(this);
    CpuDevice::add_norm(op);
  }
  void glu(kernels::Activation activation, const kernels::Tensor& gate, const kernels::Tensor& up, const kernels::Tensor& out) override {
    const Opened opened(this);
    CpuDevice::glu(activation, gate, up, out);
  }
  void add_gated(const kernels::Tensor& x, const kernels::Tensor& gate, const kernels::Tensor& out) override {
    const Opened opened(this);
    CpuDevice::add_gated(x, gate, out);
  }
  void linear(const kernels::Tensor& x, std::span<const kernels::LinearOut> outs) override {
    const Opened opened(this);
    CpuDevice::linear(x, outs);
  }
  void head(const kernels::Tensor& x, const kernels::Weight& weight, float softcap, const kernels::Tensor& logits) override {
    const Opened opened(this);
    CpuDevice::head(x, weight, softcap, logits);
  }
  void draw(const kernels::Tensor& logits, std::span<const double> at, const kernels::Tensor& ids) override {
    const Opened opened(this);
    CpuDevice::draw(logits, at, ids);
  }
  void rotation(const kernels::Tensor& positions, const kernels::Tensor& frequencies, float factor, const kernels::Tensor& cosines,
                const kernels::Tensor& sines) override {
    const Opened opened(this);
    CpuDevice::rotation(positions, frequencies, factor, cosines, sines);
  }
  void rope_store(const kernels::RopeStore& op, const kernels::KvBatch& batch) override {
    const Opened opened(this);
    CpuDevice::rope_store(op, batch);
  }
  void attend(const kernels::Attend& op, const kernels::KvBatch& batch) override {
    const Opened opened(this);
    CpuDevice::attend(op, batch);
  }
  void conv(const kernels::Conv& op, std::span<const kernels::SequenceRun> runs) override {
    const Opened opened(this);
    CpuDevice::conv(op, runs);
  }
  void delta(const kernels::Delta& op, std::span<const kernels::SequenceRun> runs) override {
    const Opened opened(this);
    CpuDevice::delta(op, runs);
  }
  void scan(const kernels::Scan& op, std::span<const kernels::SequenceRun> runs) override {
    const Opened opened(this);
    CpuDevice::scan(op, runs);
  }
  void route(const kernels::Route& op) override {
    const Opened opened(this);
    CpuDevice::route(op);
  }
  void expert_linear(const kernels::Tensor& x, bool by_slot, const kernels::Routing& routing,
                     std::span<const kernels::LinearOut> outs) override {
    const Opened opened(this);
    CpuDevice::expert_linear(x, by_slot, routing, outs);
  }
  void gram(const kernels::Tensor& x, const kernels::Tensor& out) override {
    const Opened opened(this);
    CpuDevice::gram(x, out);
  }
  void combine(const kernels::Tensor& x, const kernels::Routing& routing, const kernels::Tensor& out) override {
    const Opened opened(this);
    CpuDevice::combine(x, routing, out);
  }
  [[nodiscard]] kernels::Backward* backward() override { return &backward_; }

 private:
  static constexpr std::size_t kArenaBytes = std::size_t{64} << 30;  // of addresses; memory comes as pages are written
  static constexpr std::size_t kHugePage = std::size_t{2} << 20;

  // Gives its pages back to the system.
  struct GuardedBuffer final : kernels::CpuBuffer {
    GuardedBuffer(std::int64_t bytes, std::byte* at, std::size_t size) : CpuBuffer(bytes, at), mapped(size) {}
    ~GuardedBuffer() override { madvise(data, mapped, MADV_DONTNEED); }
    std::size_t mapped;
  };

  void protect(int rights) const {
    if (used_ > 0 && mprotect(arena_, round_up(used_, kHugePage), rights) != 0) std::abort();
  }

  // All memory is open while one of these lives; ops call ops, so only the outermost opens and closes.
  class Opened {
   public:
    explicit Opened(GuardedDevice* device) : device_(device) {
      if (device->depth_++ == 0) device->protect(PROT_READ | PROT_WRITE);
    }
    ~Opened() {
      if (--device_->depth_ == 0) device_->protect(PROT_NONE);
    }
    Opened(const Opened&) = delete;
    Opened& operator=(const Opened&) = delete;

   private:
    GuardedDevice* device_;
  };

  class GuardedBackward final : public kernels::CpuBackward {
   public:
    explicit GuardedBackward(GuardedDevice* device) : CpuBackward(device->ops(), device->parallel()), device_(device) {}

    void linear(std::span<const kernels::LinearGradient> maps, bool add, const kernels::Tensor& dx) override {
      const Opened opened(device_);
      CpuBackward::linear(maps, add, dx);
    }
    void expert_linear(std::span<const kernels::LinearGradient> maps, const kernels::Routing& routing, bool add,
                       const kernels::Tensor& dx) override {
      const Opened opened(device_);
      CpuBackward::expert_linear(maps, routing, add, dx);
    }
    void weight(std::span<const kernels::WeightGradient> products) override {
      const Opened opened(device_);
      CpuBackward::weight(products);
    }
    void softcap(const kernels::Tensor& logits, float softcap, const kernels::Tensor& dlogits) override {
      const Opened opened(device_);
      CpuBackward::softcap(logits, softcap, dlogits);
    }
    void divergence(const kernels::Tensor& reference, float weight, const kernels::Tensor& logits, const kernels::Tensor& sums) override {
      const Opened opened(device_);
      CpuBackward::divergence(reference, weight, logits, sums);
    }
    void train(const kernels::PackedStep& step) override {
      const Opened opened(device_);
      CpuBackward::train(step);
    }
    void embed(const kernels::Tensor& ids, float scale, const kernels::Tensor& dout, std::int64_t first,
               const kernels::Tensor& dtable) override {
      const Opened opened(device_);
      CpuBackward::embed(ids, scale, dout, first, dtable);
    }
    void add(const kernels::Tensor& x, const kernels::Tensor& to) override {
      const Opened opened(device_);
      CpuBackward::add(x, to);
    }
    void norm(const kernels::NormGradient& op) override {
      const Opened opened(device_);
      CpuBackward::norm(op);
    }
    void glu(kernels::Activation activation, const kernels::Tensor& gate, const kernels::Tensor& up, const kernels::Tensor& dout,
             const kernels::Tensor& dgate, const kernels::Tensor& dup) override {
      const Opened opened(device_);
      CpuBackward::glu(activation, gate, up, dout, dgate, dup);
    }
    void add_gated(const kernels::Tensor& x, const kernels::Tensor& gate, const kernels::Tensor& dout, const kernels::Tensor& dx,
                   const kernels::Tensor& dgate) override {
      const Opened opened(device_);
      CpuBackward::add_gated(x, gate, dout, dx, dgate);
    }
    void rope(const kernels::RopeGradient& op) override {
      const Opened opened(device_);
      CpuBackward::rope(op);
    }
    void attend(const kernels::AttendGradient& op, std::span<const kernels::SequenceRun> texts) override {
      const Opened opened(device_);
      CpuBackward::attend(op, texts);
    }
    void conv(const kernels::ConvGradient& op, std::span<const kernels::SequenceRun> texts) override {
      const Opened opened(device_);
      CpuBackward::conv(op, texts);
    }
    void delta(const kernels::DeltaGradient& op, std::span<const kernels::SequenceRun> texts) override {
      const Opened opened(device_);
      CpuBackward::delta(op, texts);
    }
    void scan(const kernels::ScanGradient& op, std::span<const kernels::SequenceRun> texts) override {
      const Opened opened(device_);
      CpuBackward::scan(op, texts);
    }
    void combine(const kernels::Tensor& x, const kernels::Routing& routing, const kernels::Tensor& dout, const kernels::Tensor& dx,
                 const kernels::Tensor& dweights) override {
      const Opened opened(device_);
      CpuBackward::combine(x, routing, dout, dx, dweights);
    }
    void route(const kernels::Tensor& logits, const kernels::RouteRule& rule, const kernels::Routing& routing,
               const kernels::Tensor& dweights, const kernels::Tensor& dlogits) override {
      const Opened opened(device_);
      CpuBackward::route(logits, rule, routing, dweights, dlogits);
    }
    void sum_slots(const kernels::Tensor& dslots, const kernels::Routing& routing, const kernels::Tensor& dx) override {
      const Opened opened(device_);
      CpuBackward::sum_slots(dslots, routing, dx);
    }

   private:
    GuardedDevice* device_;
  };

  GuardedBackward backward_{this};
  std::byte* mapped_ = nullptr;
  std::byte* arena_ = nullptr;  // in it, on a huge page
  std::size_t used_ = 0;
  int depth_ = 0;
};

}  // namespace jang::test
