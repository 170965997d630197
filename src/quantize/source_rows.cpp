// SPDX-License-Identifier: Apache-2.0
// Gathering of pieces and widening to float, with the finite check that keeps NaN out of every bundle.
#include "quantize/source_rows.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "base/float16.h"
#include "quantize/channel_scales.h"

namespace jang::quantize {
namespace {

template <typename T, typename Convert>
void widen_each(std::span<const std::byte> in, std::span<float> out, Convert convert) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    T value;
    std::memcpy(&value, in.data() + i * sizeof(T), sizeof(T));
    out[i] = convert(value);
  }
}

// Index of the first NaN or infinity, or -1. The first loop has no branch and vectorises.
std::int64_t first_not_finite(std::span<const float> values) {
  constexpr std::uint32_t kExponent = 0x7f800000u;
  std::uint32_t bad = 0;
  for (const float v : values) bad |= static_cast<std::uint32_t>((std::bit_cast<std::uint32_t>(v) & kExponent) == kExponent);
  if (bad == 0) return -1;
  for (std::size_t i = 0; i < values.size(); ++i)
    if ((std::bit_cast<std::uint32_t>(values[i]) & kExponent) == kExponent) return static_cast<std::int64_t>(i);
  return -1;
}

}  // namespace

void widen(DType dtype, std::span<const std::byte> in, std::span<float> out) {
  switch (dtype) {
    case DType::bf16: return widen_each<std::uint16_t>(in, out, [](std::uint16_t h) { return bf16_to_float(h); });
    case DType::f16: return widen_each<std::uint16_t>(in, out, [](std::uint16_t h) { return fp16_to_float(h); });
    case DType::f32: return widen_each<float>(in, out, [](float f) { return f; });
    case DType::f64: return widen_each<double>(in, out, [](double d) { return static_cast<float>(d); });
    default: JANG_CHECK(!"a float dtype");
  }
}

SourceRows::SourceRows(const format::Checkpoint& checkpoint, const arch::OutTensor& tensor, const TensorScales* scales)
    : checkpoint_(checkpoint),
      dtype_(tensor.source_dtype),
      channels_(tensor.channels),
      block_(tensor.channels > 0 ? elements(tensor.shape) / tensor.shape.front() : 0),
      scales_(scales) {
  std::int64_t at = 0;
  for (const arch::Piece& piece : tensor.pieces) {
    const TensorInfo& source = checkpoint.tensors()[static_cast<std::size_t>(piece.source)].info;
    const std::int64_t n_columns = columns(source.shape);
    runs_.push_back({at, piece.n_rows * n_columns, piece.source, piece.row_begin * n_columns});
    at += piece.n_rows * n_columns;
  }
  JANG_CHECK(at == elements(tensor.shape));
}

const SourceRows::Run& SourceRows::run_of(std::int64_t element) const {
  const auto after = std::upper_bound(runs_.begin(), runs_.end(), element, [](std::int64_t e, const Run& r) { return e < r.begin; });
  return *std::prev(after);
}

std::int64_t SourceRows::stored_element(std::int64_t element) const {
  if (channels_ == 0) return element;
  const std::int64_t in_block = element % block_;
  return element - in_block + in_block % channels_ * (block_ / channels_) + in_block / channels_;
}

Status SourceRows::read_bytes(std::int64_t begin, std::span<std::byte> out) const {
  if (channels_ == 0 || out.empty()) return read_stored(begin, out);
  const auto size = static_cast<std::int64_t>(size_bytes(dtype_)), n = static_cast<std::int64_t>(out.size()) / size;
  const std::int64_t first = begin / block_ * block_, end = (begin + n + block_ - 1) / block_ * block_;
  std::vector<std::byte> stored(static_cast<std::size_t>((end - first) * size));
  JANG_TRY(read_stored(first, stored));
  for (std::int64_t i = 0; i < n; ++i)
    std::memcpy(out.data() + i * size, stored.data() + (stored_element(begin + i) - first) * size, static_cast<std::size_t>(size));
  return {};
}

Status SourceRows::read_stored(std::int64_t begin, std::span<std::byte> out) const {
  const auto element_bytes = static_cast<std::int64_t>(size_bytes(dtype_));
  while (!out.empty()) {
    const Run& run = run_of(begin);
    const std::int64_t skip = begin - run.begin;
    const std::int64_t n = std::min<std::int64_t>(run.n - skip, static_cast<std::int64_t>(out.size()) / element_bytes);
    const auto part = out.first(static_cast<std::size_t>(n * element_bytes));
    JANG_TRY(checkpoint_.read(checkpoint_.tensors()[static_cast<std::size_t>(run.source)],
                              static_cast<std::uint64_t>((run.source_begin + skip) * element_bytes), part));
    out = out.subspan(part.size());
    begin += n;
  }
  return {};
}

Status SourceRows::read_floats(std::int64_t begin, std::span<float> out, std::vector<std::byte>& scratch) const {
  scratch.resize(out.size() * static_cast<std::size_t>(size_bytes(dtype_)));
  JANG_TRY(read_bytes(begin, scratch));
  widen(dtype_, scratch, out);
  if (const std::int64_t bad = first_not_finite(out); bad >= 0) {
    const char* what = std::isnan(out[static_cast<std::size_t>(bad)]) ? "NaN" : "an infinity";
    return Status(StatusCode::corrupt, "tensor " + describe_element(begin + bad) + " is " + what +
                                           "; a model with such weights cannot be quantized: fetch it again or repair it");
  }
  if (scales_ != nullptr) scales_->apply(begin, out);
  return {};
}

std::string SourceRows::describe_element(std::int64_t element) const {
  element = stored_element(element);
  const Run& run = run_of(element);
  const format::StoredTensor& source = checkpoint_.tensors()[static_cast<std::size_t>(run.source)];
  const std::int64_t at = run.source_begin + element - run.begin, n_columns = columns(source.info.shape);
  return source.info.name + " in " + checkpoint_.files()[static_cast<std::size_t>(source.file)].path() + ", element [" +
         std::to_string(at / n_columns) + ", " + std::to_string(at % n_columns) + "],";
}

}  // namespace jang::quantize
