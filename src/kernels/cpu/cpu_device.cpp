// SPDX-License-Identifier: Apache-2.0
// Memory of the CPU device and its ops on rows.
#include "kernels/cpu/cpu_device.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

namespace jang::kernels {
namespace {

struct OwnedBuffer final : CpuBuffer {
  OwnedBuffer(std::int64_t bytes, AlignedBuffer<std::byte> from) : CpuBuffer(bytes, from.get()), memory(std::move(from)) {}
  AlignedBuffer<std::byte> memory;
};

// Rows of two tensors of one shape: f(row index, row bytes).
template <typename F>
void for_each_row(const Tensor& t, const F& f) {
  const auto bytes = static_cast<std::size_t>(t.columns * size_bytes(t.dtype));
  if (t.rows == 0 || bytes == 0) return;  // an empty span may have no address, and memcpy asks for one
  if (t.contiguous()) return f(0, bytes * static_cast<std::size_t>(t.rows));
  for (std::int64_t r = 0; r < t.rows; ++r) f(r, bytes);
}

const float* values_or_null(const Tensor& t, std::int64_t row = 0) { return t.exists() ? row_of(t, row) : nullptr; }

// out = x - mean(x). out may be x.
void take_out_mean(const float* x, std::int64_t n, float* out) {
  double sum = 0;
  for (std::int64_t j = 0; j < n; ++j) sum += static_cast<double>(x[j]);
  const auto mean = static_cast<float>(sum / static_cast<double>(n));
  for (std::int64_t j = 0; j < n; ++j) out[j] = x[j] - mean;
}

// out = x / 2 (1 + erf(x / sqrt 2)) * up; without up: no factor.
void gelu_rows(const float* x, const float* up, std::int64_t n, float* out) {
  constexpr float kRootHalf = 0.707106781f;
  for (std::int64_t j = 0; j < n; ++j) {
    const float v = 0.5f * x[j] * (1.0f + std::erf(x[j] * kRootHalf));
    out[j] = up != nullptr ? v * up[j] : v;
  }
}

// Activation::swiglu_oai; without up: the factor is 1.
void oai_rows(const float* gate, const float* up, std::int64_t n, float* out) {
  for (std::int64_t j = 0; j < n; ++j) {
    const float g = std::min(gate[j], kOaiLimit), factor = up != nullptr ? 1.0f + std::clamp(up[j], -kOaiLimit, kOaiLimit) : 1.0f;
    out[j] = g / (1.0f + std::exp(-kOaiSlope * g)) * factor;
  }
}

// out = max(x, 0)^2 * up; without up: no factor.
void relu2_rows(const float* x, const float* up, std::int64_t n, float* out) {
  for (std::int64_t j = 0; j < n; ++j) {
    const float v = x[j] < 0.0f ? 0.0f : x[j] * x[j];  // not a number stays so
    out[j] = up != nullptr ? v * up[j] : v;
  }
}

// out = x * up, or x without up.
void product_rows(const float* x, const float* up, std::int64_t n, float* out) {
  for (std::int64_t j = 0; j < n; ++j) out[j] = up != nullptr ? x[j] * up[j] : x[j];
}

std::string describe(const MatrixFormat& f) {
  if (!f.packed()) return std::string(name(f.dtype));
  return std::to_string(f.bits) + " bits, group " + std::to_string(f.group_size) + ", " + std::string(name(f.param_dtype)) + " scales";
}

}  // namespace

std::unique_ptr<Buffer> CpuDevice::allocate(std::int64_t bytes) {
  AlignedBuffer<std::byte> memory;
  if (!memory.reserve(std::max<std::int64_t>(bytes, 1))) return nullptr;
  return std::make_unique<OwnedBuffer>(bytes, std::move(memory));
}

Status CpuDevice::write(const void* from, const Tensor& to) {
  const auto* bytes = static_cast<const std::byte*>(from);
  for_each_row(to, [&](std::int64_t r, std::size_t n) {
    std::memcpy(row_of<std::byte>(to, r), bytes, n);
    bytes += n;
  });
  return {};
}

Status CpuDevice::read(const Tensor& from, void* to) {
  auto* bytes = static_cast<std::byte*>(to);
  for_each_row(from, [&](std::int64_t r, std::size_t n) {
    std::memcpy(bytes, row_of<std::byte>(from, r), n);
    bytes += n;
  });
  return failure();
}

Status CpuDevice::wait() {
  const Status status = failure();
  failed_ = {};
  overflowed_ = false;
  return status;
}

Status CpuDevice::failure() const {
  if (failed_.ok() && overflowed_) return {StatusCode::unsupported, "keys or values exceed 65504, the largest float16"};
  return failed_;
}

void CpuDevice::fail(std::int64_t bytes) {
  if (failed_.ok()) failed_ = Status(StatusCode::out_of_memory, "no memory for " + std::to_string(bytes) + " bytes of scratch");
}

Result<std::unique_ptr<Weight>> CpuDevice::upload(const WeightSource& source) {
  auto weight = std::make_unique<CpuWeight>();
  weight->matrices.assign(source.matrices.begin(), source.matrices.end());
  weight->bias.assign(source.bias.begin(), source.bias.end());
  weight->kernel = set_.find_linear(weight->format(), source.precision);
  if (weight->kernel == nullptr)
    return Status(StatusCode::unsupported, "no kernel of " + std::string(set_.name) + " for " + describe(weight->format()));
  return std::unique_ptr<Weight>(std::move(weight));
}

Result<std::unique_ptr<Weight>> CpuDevice::share(const Tensor& values, std::int64_t n, std::span<const float> bias) {
  JANG_CHECK(values.dtype == DType::f32 && values.contiguous() && n > 0 && values.rows % n == 0);
  std::vector<MatrixView> views(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) {
    MatrixView& view = views[static_cast<std::size_t>(i)];
    view.n_rows = values.rows / n;
    view.n_cols = values.columns;
    view.data = row_of<std::byte>(values, i * view.n_rows);
  }
  return upload({views, bias, Precision::exact});
}

void CpuDevice::embed(const Weight& table, const Tensor& ids, float scale, const Tensor& out) {
  const MatrixView& matrix = cpu_weight(table).matrices.front();
  const auto* id = row_of<const std::int32_t>(ids);
  parallel_.run(out.rows, out.columns, [&](std::int64_t i) {
    float* row = row_of(out, i);
    ops_.dequantize_row(matrix, id[i], row);
    if (scale == 1.0f) return;
    for (std::int64_t j = 0; j < out.columns; ++j) row[j] *= scale;
  });
}

void CpuDevice::copy(const Tensor& from, const Tensor& to) {
  if (from.contiguous() && to.contiguous()) {
    std::memcpy(row_of<std::byte>(to), row_of<std::byte>(from), static_cast<std::size_t>(from.bytes()));
    return;
  }
  const auto bytes = static_cast<std::size_t>(from.columns * size_bytes(from.dtype));
  for (std::int64_t r = 0; r < from.rows; ++r) std::memcpy(row_of<std::byte>(to, r), row_of<std::byte>(from, r), bytes);
}

void CpuDevice::copy_columns(const Tensor& from, std::span<const ColumnCopy> copies) {
  parallel_.run(from.rows, from.columns / 4, [&](std::int64_t i) {
    for (const ColumnCopy& c : copies) std::copy_n(row_of(from, i) + c.from_column, c.n, row_of(c.to, i) + c.to_column);
  });
}

void CpuDevice::gather_rows(const Tensor& x, const Tensor& rows, const Tensor& out) {
  const auto* index = row_of<const std::int32_t>(rows);
  parallel_.run(out.rows, out.columns / 4, [&](std::int64_t i) { std::copy_n(row_of(x, index[i]), out.columns, row_of(out, i)); });
}

void CpuDevice::add_norm(const AddNorm& op) {
  const float* branch_norm = values_or_null(op.branch_norm);
  const float* norm = values_or_null(op.norm);
  const float* norm_bias = values_or_null(op.norm_bias);
  const std::int64_t n = op.x.columns;
  parallel_.run(op.x.rows, n / 4, [&](std::int64_t i) {
    float* x = row_of(op.x, i);
    if (op.branch.exists()) {
      float* branch = row_of(op.branch, i);
      if (branch_norm != nullptr) ops_.rms_norm(branch, branch_norm, n, op.eps, op.offset, branch);
      ops_.add(x, branch, n);
    }
    if (!op.out.exists()) return;
    float* out = row_of(op.out, i);
    if (op.centred) take_out_mean(x, n, out);  // what is left has the variance of x as its mean square
    ops_.rms_norm(op.centred ? out : x, norm, n, op.eps, op.offset, out);
    if (norm_bias != nullptr) ops_.add(out, norm_bias, n);
  });
}

void CpuDevice::glu(Activation activation, const Tensor& gate, const Tensor& up, const Tensor& out) {
  const std::int64_t n = out.columns;
  std::vector<float> ones;  // in the place of up
  if (!up.exists()) ones.assign(static_cast<std::size_t>(n), 1.0f);
  parallel_.run(out.rows, n, [&](std::int64_t i) {
    const float* factors = up.exists() ? row_of(up, i) : ones.data();
    float* to = row_of(out, i);
    switch (activation) {
      case Activation::silu: return ops_.silu_mul(row_of(gate, i), factors, n, to);
      case Activation::gelu_tanh: return ops_.gelu_mul(row_of(gate, i), factors, n, to);
      case Activation::gelu: return gelu_rows(row_of(gate, i), values_or_null(up, i), n, to);
      case Activation::swiglu_oai: return oai_rows(row_of(gate, i), values_or_null(up, i), n, to);
      case Activation::relu2: return relu2_rows(row_of(gate, i), values_or_null(up, i), n, to);
      case Activation::identity: return product_rows(row_of(gate, i), values_or_null(up, i), n, to);
      case Activation::sigmoid: break;
    }
    JANG_CHECK(to != row_of(gate, i));  // the op works in place of up
    if (to != factors) std::copy_n(factors, n, to);
    ops_.sigmoid_mul(to, row_of(gate, i), n);
  });
}

EncodeError CpuDevice::encode(EncodeMethod method, const EncodeArgs& args) const { return set_.encoders.of(method)(args); }

}  // namespace jang::kernels
