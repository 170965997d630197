// SPDX-License-Identifier: Apache-2.0
// Weights from host memory, usually a mapped file, into one piece of the card's memory: the bytes as they are, rows on 16 bytes. Pieces go
// through two pinned blocks, so that one is filled (by all threads: pages of the file are read here) while the other is on its way. What
// is read back takes the same way: memory that is not pinned is copied a tenth as fast.
#include <algorithm>
#include <cstring>

#include "base/checked.h"
#include "base/thread_pool.h"
#include "kernels/cuda/card.h"
#include "kernels/cuda/cuda_device.h"

namespace jang::kernels::cuda {
namespace {

constexpr std::int64_t kBlockBytes = std::int64_t{16} << 20;
constexpr std::int64_t kPieceBytes = std::int64_t{1} << 17;  // a thread's
constexpr std::int64_t kRowAlign = 16, kPlaneAlign = 256;

std::string describe(const MatrixFormat& f) {
  if (!f.packed()) return std::string(name(f.dtype));
  return std::to_string(f.bits) + " bits, group " + std::to_string(f.group_size) + ", " + std::string(name(f.param_dtype)) + " scales";
}

bool supported(const MatrixFormat& f) {
  const auto is_value = [](DType t) { return t == DType::f32 || t == DType::f16 || t == DType::bf16; };
  if (!f.packed()) return is_value(f.dtype);
  return codec::is_width(f.bits) && codec::is_group(f.group_size) && is_value(f.param_dtype);
}

Matrices layout_of(const MatrixView& view) {
  Matrices m;
  m.row_pitch = round_up(view.row_bytes(), kRowAlign);
  m.matrix_bytes = round_up(m.row_pitch * view.n_rows, kPlaneAlign);
  m.param_pitch = round_up(view.param_row_bytes(), kRowAlign);
  m.param_bytes = round_up(m.param_pitch * view.n_rows, kPlaneAlign);
  m.rows = view.n_rows;
  m.columns = view.n_cols;
  m.dtype = view.format.dtype;
  m.param = view.format.param_dtype;
  m.bits = view.format.bits;
  m.group = view.format.group_size;
  return m;
}

// Copies n bytes with all threads.
void copy_bytes(ThreadPool* pool, std::byte* to, const std::byte* from, std::int64_t n) {
  const std::int64_t pieces = (n + kPieceBytes - 1) / kPieceBytes;
  const auto piece = [&](std::int64_t i, int) {
    const std::int64_t begin = i * kPieceBytes;
    std::memcpy(to + begin, from + begin, static_cast<std::size_t>(std::min(kPieceBytes, n - begin)));
  };
  if (pool != nullptr && pieces > 1) return pool->run(pieces, piece);
  for (std::int64_t i = 0; i < pieces; ++i) piece(i, 0);
}

}  // namespace

Status CudaDevice::make_blocks() {
  for (int i = 0; i < 2; ++i) {
    if (blocks_[i] != nullptr) continue;
    JANG_TRY(status_of(cudaHostAlloc(reinterpret_cast<void**>(&blocks_[i]), kBlockBytes, cudaHostAllocDefault), "no pinned memory"));
    JANG_TRY(status_of(cudaEventCreateWithFlags(&block_free_[i], cudaEventDisableTiming), card_));
  }
  return {};
}

Status CudaDevice::fetch(const std::byte* from, std::int64_t bytes, std::byte* to) {
  JANG_TRY(make_blocks());
  const auto size_at = [&](std::int64_t begin) { return std::min(kBlockBytes, bytes - begin); };
  std::int64_t ordered = 0;  // bytes on their way, of which those in front of `begin` have arrived
  for (std::int64_t begin = 0; begin < bytes; begin += kBlockBytes) {
    for (; ordered < std::min(bytes, begin + 2 * kBlockBytes); ordered += kBlockBytes) {
      const std::int64_t block = ordered / kBlockBytes % 2;
      JANG_TRY(status_of(
          cudaMemcpyAsync(blocks_[block], from + ordered, static_cast<std::size_t>(size_at(ordered)), cudaMemcpyDeviceToHost, stream()),
          card_ + ", copying from the card"));
      JANG_TRY(status_of(cudaEventRecord(block_free_[block], stream()), card_ + ", copying from the card"));
    }
    const std::int64_t block = begin / kBlockBytes % 2;
    JANG_TRY(status_of(cudaEventSynchronize(block_free_[block]), card_ + ", copying from the card"));
    copy_bytes(pool_, to + begin, blocks_[block], size_at(begin));
  }
  return {};
}

Status CudaDevice::copy_planes(const std::vector<Plane>& planes) {
  JANG_TRY(make_blocks());
  int block = 0;
  std::int64_t used = kBlockBytes;  // of the current block: none is open
  for (const Plane& p : planes) {
    // Rows that fit into what is left of a block go together; a row longer than a block goes in pieces.
    const std::int64_t total = p.rows * p.row_bytes;
    for (std::int64_t begin = 0; begin < total;) {
      if (kBlockBytes - used < std::min(p.row_bytes, kBlockBytes)) {
        block ^= 1;
        used = 0;
        JANG_TRY(status_of(cudaEventSynchronize(block_free_[block]), card_ + ", copying weights"));
      }
      std::int64_t n = std::min(total - begin, kBlockBytes - used);
      if (p.row_bytes <= kBlockBytes - used) n = n / p.row_bytes * p.row_bytes;
      copy_bytes(pool_, blocks_[block] + used, p.from + begin, n);
      const std::int64_t row = begin / p.row_bytes, in_row = begin % p.row_bytes;
      std::byte* to = p.to + row * p.pitch + in_row;
      if (p.pitch == p.row_bytes || n <= p.row_bytes)
        JANG_TRY(status_of(cudaMemcpyAsync(to, blocks_[block] + used, static_cast<std::size_t>(n), cudaMemcpyHostToDevice, stream()),
                           card_ + ", copying weights"));
      else
        JANG_TRY(status_of(cudaMemcpy2DAsync(to, static_cast<std::size_t>(p.pitch), blocks_[block] + used,
                                             static_cast<std::size_t>(p.row_bytes), static_cast<std::size_t>(p.row_bytes),
                                             static_cast<std::size_t>(n / p.row_bytes), cudaMemcpyHostToDevice, stream()),
                           card_ + ", copying weights"));
      JANG_TRY(status_of(cudaEventRecord(block_free_[block], stream()), card_ + ", copying weights"));
      used += n;
      begin += n;
    }
  }
  // The bytes belong to the caller again; blocks are reused by the next upload.
  return status_of(cudaStreamSynchronize(stream()), card_ + ", copying weights");
}

Status CudaDevice::upload_bias(std::span<const float> bias, CudaWeight* weight) {
  if (bias.empty()) return {};
  const auto bytes = static_cast<std::int64_t>(bias.size_bytes());
  weight->bias = take(bytes);
  if (weight->bias == nullptr) return no_room(bytes);
  send(bias.data(), bytes, weight->bias->data);
  return failed_;
}

Result<std::unique_ptr<Weight>> CudaDevice::upload(const WeightSource& source) {
  const MatrixView& first = source.matrices.front();
  if (!supported(first.format)) return Status(StatusCode::unsupported, "no kernel of cuda for " + describe(first.format));
  if (source.matrices.size() > 1 && !source.bias.empty())
    return Status(StatusCode::unsupported, "the device cuda has no biases of experts");
  auto weight = std::make_unique<CudaWeight>();
  Matrices& m = weight->matrices;
  m = layout_of(first);
  const auto n = static_cast<std::int64_t>(source.matrices.size());
  const std::int64_t codes = n * m.matrix_bytes, params = n * m.param_bytes;
  weight->memory = take(codes + 2 * params);
  if (weight->memory == nullptr) return no_room(codes + 2 * params);
  m.codes = weight->memory->data;
  m.scales = m.codes + codes;
  m.biases = m.scales + params;
  std::vector<Plane> planes;
  for (std::int64_t i = 0; i < n; ++i) {
    const MatrixView& v = source.matrices[static_cast<std::size_t>(i)];
    planes.push_back({v.data, weight->memory->data + i * m.matrix_bytes, v.n_rows, v.row_bytes(), m.row_pitch});
    if (!v.format.packed()) continue;
    planes.push_back({v.scales, weight->memory->data + codes + i * m.param_bytes, v.n_rows, v.param_row_bytes(), m.param_pitch});
    planes.push_back({v.biases, weight->memory->data + codes + params + i * m.param_bytes, v.n_rows, v.param_row_bytes(), m.param_pitch});
  }
  JANG_TRY(copy_planes(planes));
  weight_bytes_ += codes + 2 * params;
  JANG_TRY(upload_bias(source.bias, weight.get()));
  weight->fast = source.precision == Precision::fast && fast_supports(m);
  return std::unique_ptr<Weight>(std::move(weight));
}

Result<std::unique_ptr<Weight>> CudaDevice::share(const Tensor& values, std::int64_t n, std::span<const float> bias) {
  JANG_CHECK(values.dtype == DType::f32 && values.contiguous() && n > 0 && values.rows % n == 0 && values.columns % 4 == 0);
  auto weight = std::make_unique<CudaWeight>();
  Matrices& m = weight->matrices;
  m.rows = values.rows / n;
  m.columns = values.columns;
  m.row_pitch = values.columns * size_bytes(DType::f32);
  m.matrix_bytes = m.rows * m.row_pitch;
  m.dtype = DType::f32;
  m.codes = address<std::byte>(values);
  JANG_TRY(upload_bias(bias, weight.get()));
  return std::unique_ptr<Weight>(std::move(weight));
}

}  // namespace jang::kernels::cuda
