// SPDX-License-Identifier: Apache-2.0
// Rows of a matrix as float32 vectors, 32 columns at a time: the only place of the exact kernels that knows how weights are stored.
// 32 columns are a whole number of words at every width and divide every group.
//
// V supplies kLanes, F, load (float32 at any address), load_f16, load_bf16, unpack<bits> (32 codes to 32/kLanes vectors; reads exactly
// 4*bits bytes), value (one stored f32/f16/bf16 broadcast), fma and prefetch.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/ops.h"

namespace jang::kernels::generic {

inline constexpr int kStep = 32;  // columns
template <class V>
inline constexpr int kStepVectors = kStep / V::kLanes;

// One row of dense values.
template <class V, DType kType>
class DenseRow {
 public:
  using F = typename V::F;
  static constexpr int kBytes = size_bytes(kType);
  static constexpr bool kWholeSteps = false;  // n_cols may be anything

  DenseRow() = default;
  DenseRow(const MatrixView& w, std::int64_t row) : data_(w.data + row * w.row_bytes()) {}

  // Columns [c, c + 32).
  void step(std::int64_t c, F* out) const { load(data_ + c * kBytes, out); }
  // Columns [c, c + count), count < 32; zeros behind them.
  void tail(std::int64_t c, int count, F* out) const {
    std::byte padded[kStep * kBytes] = {};
    std::memcpy(padded, data_ + c * kBytes, static_cast<std::size_t>(count * kBytes));
    load(padded, out);
  }
  // Asks for the step `ahead` bytes behind column c, in memory order.
  void prefetch(std::int64_t c, std::int64_t ahead) const {
    const std::int64_t at = c * kBytes + ahead;
    for (int line = 0; line < kStep * kBytes; line += 64)
      V::prefetch(reinterpret_cast<std::uintptr_t>(data_) + static_cast<std::uintptr_t>(at + line));
  }

 private:
  static void load(const std::byte* p, F* out) {
    for (int v = 0; v < kStepVectors<V>; ++v) {
      const std::byte* at = p + v * V::kLanes * kBytes;
      if constexpr (kType == DType::f32) {
        out[v] = V::load(at);
      } else if constexpr (kType == DType::f16) {
        out[v] = V::load_f16(at);
      } else {
        out[v] = V::load_bf16(at);
      }
    }
  }
  const std::byte* data_ = nullptr;
};

// kBytes (at most 8) bytes as a number, from whole words: a memcpy of an odd size goes through memory and stalls.
template <int kBytes>
inline std::uint64_t load_packed(const std::byte* p) {
  if constexpr (kBytes == 1) {
    return static_cast<std::uint64_t>(*p);
  } else if constexpr (kBytes == 2 || kBytes == 4 || kBytes == 8) {
    std::conditional_t<kBytes == 2, std::uint16_t, std::conditional_t<kBytes == 4, std::uint32_t, std::uint64_t>> word = 0;
    std::memcpy(&word, p, kBytes);
    return word;
  } else {
    constexpr int kLow = kBytes > 4 ? 4 : 2;
    return load_packed<kLow>(p) | load_packed<kBytes - kLow>(p + kLow) << (8 * kLow);
  }
}

// One row of packed codes: fma(code, scale, bias).
template <class V, int kBits>
class PackedRow {
 public:
  using F = typename V::F;
  static constexpr int kStepBytes = kStep * kBits / 8;
  static constexpr bool kWholeSteps = true;

  PackedRow() = default;
  PackedRow(const MatrixView& w, std::int64_t row)
      : data_(w.data + row * w.row_bytes()),
        scales_(w.scales + row * w.param_row_bytes()),
        biases_(w.biases + row * w.param_row_bytes()),
        dtype_(w.format.param_dtype),
        group_size_(w.format.group_size) {}

  // Steps of a group come in order: scale and bias are kept.
  void step(std::int64_t c, F* out) {
    if ((c & (group_size_ - 1)) == 0) {
      scale_ = V::value(dtype_, scales_, c / group_size_);
      bias_ = V::value(dtype_, biases_, c / group_size_);
    }
    V::template unpack<kBits>(data_ + c / kStep * kStepBytes, out);
    for (int v = 0; v < kStepVectors<V>; ++v) out[v] = V::fma(out[v], scale_, bias_);
  }
  void prefetch(std::int64_t c, std::int64_t ahead) const {
    const std::int64_t at = c / kStep * kStepBytes + ahead;
    V::prefetch(reinterpret_cast<std::uintptr_t>(data_) + static_cast<std::uintptr_t>(at));
  }

 private:
  const std::byte* data_ = nullptr;
  const std::byte* scales_ = nullptr;
  const std::byte* biases_ = nullptr;
  DType dtype_ = DType::f32;
  std::int64_t group_size_ = 32;
  F scale_ = V::set1(0.0f), bias_ = V::set1(0.0f);
};

// f.operator()<Row>() for the row type of a supported format.
template <class V, std::size_t kWidth = 0, class Function>
void with_row_type(const MatrixFormat& format, const Function& f) {
  if (format.dtype == DType::f32) return f.template operator()<DenseRow<V, DType::f32>>();
  if (format.dtype == DType::f16) return f.template operator()<DenseRow<V, DType::f16>>();
  if (format.dtype == DType::bf16) return f.template operator()<DenseRow<V, DType::bf16>>();
  if constexpr (kWidth < codec::kWidths.size()) {
    constexpr int kBits = codec::kWidths[kWidth].bits;
    if (format.bits == kBits) return f.template operator()<PackedRow<V, kBits>>();
    with_row_type<V, kWidth + 1>(format, f);
  }
}

// Columns [begin, end) of a row, begin on a step, as floats; when `padded`, up to a whole step, with zeros.
template <class V, class Row>
inline void expand(Row row, std::int64_t begin, std::int64_t end, bool padded, float* out) {
  typename V::F w[kStepVectors<V>];
  std::int64_t c = begin;
  for (; c + kStep <= end; c += kStep) {
    row.step(c, w);
    for (int v = 0; v < kStepVectors<V>; ++v) V::store(out + (c - begin) + v * V::kLanes, w[v]);
  }
  if constexpr (!Row::kWholeSteps) {
    if (c == end) return;
    row.tail(c, static_cast<int>(end - c), w);
    float last[kStep];
    for (int v = 0; v < kStepVectors<V>; ++v) V::store(last + v * V::kLanes, w[v]);
    std::memcpy(out + (c - begin), last, static_cast<std::size_t>(padded ? kStep : end - c) * 4);
  }
}

template <class V>
void dequantize_row(const MatrixView& w, std::int64_t row, float* out) {
  with_row_type<V>(w.format, [&]<class Row>() { expand<V>(Row(w, row), 0, w.n_cols, false, out); });
}

}  // namespace jang::kernels::generic
