// SPDX-License-Identifier: Apache-2.0
// The card's memory, what crosses the border to the host, and ops on rows.
#include "kernels/cuda/cuda_device.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/checked.h"
#include "kernels/cuda/card.h"
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/cuda_backward.h"
#include "kernels/cuda/rows.h"
#include "kernels/instruction_set.h"

namespace jang::kernels {

Result<std::unique_ptr<Device>> open_cuda_device(ThreadPool* pool) { return cuda::CudaDevice::open(pool); }

double cuda_read_gbps(Device& device) { return static_cast<cuda::CudaDevice&>(device).read_gbps(); }

namespace cuda {
namespace {

constexpr std::int64_t kRingBytes = std::int64_t{8} << 20;
constexpr std::int64_t kRingStep = 256;
constexpr std::int64_t kFetchBytes = std::int64_t{1} << 16;  // from which on pinned memory pays for the second copy

}  // namespace

Result<std::unique_ptr<Device>> CudaDevice::open(ThreadPool* pool) {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (const std::string problem = why_no_card(error, count); !problem.empty()) {
    cudaGetLastError();
    return Status(StatusCode::device, problem);
  }
  std::unique_ptr<CudaDevice> device(new CudaDevice(pool));
  JANG_TRY(device->start());
  return std::unique_ptr<Device>(std::move(device));
}

CudaDevice::CudaDevice(ThreadPool* pool) : pool_(pool), backward_(std::make_unique<CudaBackward>(*this)) {}

Status CudaDevice::start() {
  cudaDeviceProp properties;
  JANG_TRY(status_of(cudaSetDevice(0), "the card cannot be opened"));
  JANG_TRY(status_of(cudaGetDeviceProperties(&properties, 0), "the card cannot be asked for its properties"));
  card_ = properties.name;
  multiprocessors_ = properties.multiProcessorCount;
  if (properties.major < 8)
    return {StatusCode::device, card_ + " has compute capability " + std::to_string(properties.major) + "." +
                                    std::to_string(properties.minor) + "; the kernels need 8.0 (Ampere) or newer"};
  JANG_TRY(status_of(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), card_ + ": no stream"));
  JANG_TRY(status_of(cudaHostAlloc(reinterpret_cast<void**>(&ring_), kRingBytes, cudaHostAllocDefault), "no pinned memory"));
  JANG_TRY(status_of(cudaHostAlloc(reinterpret_cast<void**>(&overflowed_), sizeof(int), cudaHostAllocMapped), "no pinned memory"));
  *overflowed_ = 0;
  kernels_overlap = properties.major >= 9 && can_overlap_kernels();
  return status_of(cudaGetLastError(), card_);
}

CudaDevice::~CudaDevice() {
  waiting_ = {};
  *self_ = nullptr;
  if (stream_ != nullptr) cudaStreamSynchronize(stream_);
  for (const cudaEvent_t event : block_free_)
    if (event != nullptr) cudaEventDestroy(event);
  for (std::byte* block : blocks_) cudaFreeHost(block);
  cudaFreeHost(ring_);
  cudaFreeHost(overflowed_);
  if (stream_ != nullptr) cudaStreamDestroy(stream_);
}

bool CudaDevice::check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return true;
  cudaGetLastError();
  if (failed_.ok()) failed_ = status_of(error, card_ + ", " + what);
  return false;
}

void CudaDevice::fail(StatusCode code, std::string message) {
  if (failed_.ok()) failed_ = Status(code, std::move(message));
}

Status CudaDevice::no_room(std::int64_t bytes) const {
  std::size_t free = 0, total = 0;
  if (cudaMemGetInfo(&free, &total) != cudaSuccess) cudaGetLastError();
  return {StatusCode::out_of_memory, card_ + " has no room for " + std::to_string(bytes) + " bytes: " + std::to_string(free) + " of " +
                                         std::to_string(total) + " are free, " + std::to_string(weight_bytes_) +
                                         " hold weights of this model; take fewer bits, a shorter --ctx-size, --kv q8, or the CPU"};
}

CudaBuffer::~CudaBuffer() {
  if (*owner_ != nullptr) (*owner_)->flush();
  cudaFree(data);
}

std::unique_ptr<CudaBuffer> CudaDevice::take(std::int64_t bytes) {
  void* at = nullptr;
  if (cudaMalloc(&at, static_cast<std::size_t>(std::max<std::int64_t>(bytes, 1))) != cudaSuccess) {
    cudaGetLastError();
    return nullptr;
  }
  return std::make_unique<CudaBuffer>(bytes, static_cast<std::byte*>(at), self_);
}

std::unique_ptr<Buffer> CudaDevice::allocate(std::int64_t bytes) { return take(bytes); }

std::byte* CudaDevice::scratch(std::unique_ptr<CudaBuffer>* block, std::int64_t bytes) {
  if (*block == nullptr || (*block)->bytes() < bytes) {
    if (*block != nullptr) check(cudaStreamSynchronize(stream()), "waiting for the card");  // kernels may still use it
    block->reset();
    *block = take(round_up<std::int64_t>(bytes + bytes / 4, 256));
    if (*block == nullptr) *block = take(bytes);
  }
  if (*block != nullptr) return (*block)->data;
  if (failed_.ok()) failed_ = no_room(bytes);
  return nullptr;
}

bool CudaDevice::send(const void* from, std::int64_t bytes, void* to) {
  const auto* at = static_cast<const std::byte*>(from);
  for (std::int64_t begin = 0; begin < bytes;) {
    if (ring_at_ >= kRingBytes) {  // what is in the ring must be read before it is written again
      if (!check(cudaStreamSynchronize(stream()), "waiting for the card")) return false;
      ring_at_ = 0;
    }
    const std::int64_t n = std::min(bytes - begin, kRingBytes - ring_at_);
    std::memcpy(ring_ + ring_at_, at + begin, static_cast<std::size_t>(n));
    if (!check(cudaMemcpyAsync(static_cast<std::byte*>(to) + begin, ring_ + ring_at_, static_cast<std::size_t>(n), cudaMemcpyHostToDevice,
                               stream()),
               "copying to the card"))
      return false;
    ring_at_ = round_up(ring_at_ + n, kRingStep);
    begin += n;
  }
  return true;
}

Status CudaDevice::write(const void* from, const Tensor& to) {
  const auto* bytes = static_cast<const std::byte*>(from);
  const std::int64_t row = to.columns * size_bytes(to.dtype);
  if (to.rows == 0 || row == 0) return {};
  if (to.contiguous()) {
    send(bytes, row * to.rows, address<std::byte>(to));
    return failed_;
  }
  for (std::int64_t r = 0; r < to.rows; ++r)
    if (!send(bytes + r * row, row, address<std::byte>(to, r))) break;
  return failed_;
}

Status CudaDevice::read(const Tensor& from, void* to) {
  const auto row = static_cast<std::size_t>(from.columns * size_bytes(from.dtype));
  if (from.rows > 0 && row > 0) {
    const auto pitch = static_cast<std::size_t>(from.stride * size_bytes(from.dtype));
    const std::int64_t bytes = static_cast<std::int64_t>(row) * from.rows;
    if (from.contiguous() && bytes >= kFetchBytes) {
      const Status fetched = fetch(address<std::byte>(from), bytes, static_cast<std::byte*>(to));
      if (failed_.ok()) failed_ = fetched;
    } else if (from.contiguous())
      check(cudaMemcpyAsync(to, address<std::byte>(from), row * static_cast<std::size_t>(from.rows), cudaMemcpyDeviceToHost, stream()),
            "copying from the card");
    else
      check(cudaMemcpy2DAsync(to, row, address<std::byte>(from), pitch, row, static_cast<std::size_t>(from.rows), cudaMemcpyDeviceToHost,
                              stream()),
            "copying from the card");
  }
  check(cudaStreamSynchronize(stream()), "waiting for the card");
  ring_at_ = 0;
  if (failed_.ok() && *overflowed_ != 0) return {StatusCode::unsupported, "keys or values exceed 65504, the largest float16"};
  return failed_;
}

Status CudaDevice::wait() {
  check(cudaStreamSynchronize(stream()), "waiting for the card");
  ring_at_ = 0;
  Status status = failed_;
  if (status.ok() && *overflowed_ != 0) status = {StatusCode::unsupported, "keys or values exceed 65504, the largest float16"};
  failed_ = {};
  *overflowed_ = 0;
  return status;
}

// Reads of more memory than any cache holds; the median of a few.
double CudaDevice::read_gbps() {
  constexpr std::int64_t kBytes = std::int64_t{1} << 30;
  const std::unique_ptr<CudaBuffer> memory = take(kBytes + 256);
  cudaEvent_t begin = nullptr, end = nullptr;
  std::vector<double> speeds;
  if (memory != nullptr && cudaEventCreate(&begin) == cudaSuccess && cudaEventCreate(&end) == cudaSuccess) {
    cudaMemsetAsync(memory->data, 0x5a, kBytes + 256, stream());
    for (int i = 0; i < 7; ++i) {
      cudaEventRecord(begin, stream());
      read_bytes(memory->data, kBytes, memory->data + kBytes, 3 * multiprocessors_, stream());
      cudaEventRecord(end, stream());
      float ms = 0;
      if (cudaEventSynchronize(end) == cudaSuccess && cudaEventElapsedTime(&ms, begin, end) == cudaSuccess && ms > 0)
        speeds.push_back(static_cast<double>(kBytes) / 1e6 / static_cast<double>(ms));
    }
  }
  if (begin != nullptr) cudaEventDestroy(begin);
  if (end != nullptr) cudaEventDestroy(end);
  cudaGetLastError();
  std::ranges::sort(speeds);
  return speeds.empty() ? 0 : speeds[speeds.size() / 2];
}

void CudaDevice::embed(const Weight& table, const Tensor& ids, float scale, const Tensor& out) {
  cuda::embed(cuda_weight(table).matrices, address<const std::int32_t>(ids), scale, rows_of(out), out.rows, stream());
  launched("embed");
}

void CudaDevice::copy(const Tensor& from, const Tensor& to) {
  if (from.rows == 0 || from.columns == 0) return;
  const auto size = static_cast<std::size_t>(size_bytes(from.dtype)), row = static_cast<std::size_t>(from.columns) * size;
  if (from.contiguous() && to.contiguous())
    check(cudaMemcpyAsync(address<std::byte>(to), address<std::byte>(from), row * static_cast<std::size_t>(from.rows),
                          cudaMemcpyDeviceToDevice, stream()),
          "copy");
  else
    check(cudaMemcpy2DAsync(address<std::byte>(to), static_cast<std::size_t>(to.stride) * size, address<std::byte>(from),
                            static_cast<std::size_t>(from.stride) * size, row, static_cast<std::size_t>(from.rows),
                            cudaMemcpyDeviceToDevice, stream()),
          "copy");
}

void CudaDevice::copy_columns(const Tensor& from, std::span<const ColumnCopy> copies) {
  std::vector<CopiedColumns> list;
  for (const ColumnCopy& c : copies)
    if (c.n > 0)
      list.push_back({address(c.to) + c.to_column, c.to.stride, static_cast<std::int32_t>(c.from_column), static_cast<std::int32_t>(c.n)});
  cuda::copy_columns(rows_of(from), from.rows, list, stream());
  launched("copy_columns");
}

void CudaDevice::gather_rows(const Tensor& x, const Tensor& rows, const Tensor& out) {
  cuda::gather_rows(rows_of(x), address<const std::int32_t>(rows), rows_of(out), out.rows, out.columns, stream());
  launched("gather_rows");
}

void CudaDevice::add_norm(const AddNorm& op) {
  AddNorm rest = op;
  if (add_to_maps(op)) rest.branch = {};
  if (!rest.branch.exists() && !rest.out.exists()) return;
  if (!keep_norm(rest)) enqueue(rest);
}

void CudaDevice::enqueue(const AddNorm& op) {
  AddNormArgs a;
  a.x = rows_of(op.x);
  a.branch = rows_of(op.branch);
  a.out = rows_of(op.out);
  a.branch_norm = values_or_null(op.branch_norm);
  a.norm = values_or_null(op.norm);
  a.norm_bias = values_or_null(op.norm_bias);
  a.centred = op.centred;
  a.n = op.x.rows;
  a.columns = op.x.columns;
  a.eps = op.eps;
  a.offset = op.offset;
  cuda::add_norm(a, stream());
  launched("add_norm");
}

void CudaDevice::glu(Activation activation, const Tensor& gate, const Tensor& up, const Tensor& out) {
  if (gate_maps(activation, gate, up, out)) return;
  cuda::glu(static_cast<int>(activation), rows_of(gate), rows_of(up), rows_of(out), out.rows, out.columns, stream());
  launched("glu");
}

void CudaDevice::add_gated(const Tensor& x, const Tensor& gate, const Tensor& out) {
  cuda::add_gated(rows_of(x), rows_of(gate), rows_of(out), out.rows, out.columns, stream());
  launched("add_gated");
}

// On host memory, with the fastest instruction set: bytes are the same everywhere.
EncodeError CudaDevice::encode(EncodeMethod method, const EncodeArgs& args) const {
  return find_instruction_set()->encoders.of(method)(args);
}

}  // namespace cuda
}  // namespace jang::kernels
