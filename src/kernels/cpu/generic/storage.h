// SPDX-License-Identifier: Apache-2.0
// Rows of a matrix as float32 vectors, 32 columns at a time: the only place of the exact kernels that knows how weights are stored.
// 32 columns are a whole number of words at every width and divide every group.
//
// V supplies kLanes, F, load (float32 at any address), load_f16, load_bf16, unpack<bits> (32 codes to 32/kLanes vectors; reads exactly
// 4*bits bytes), value (one stored f32/f16/bf16 broadcast), fma and prefetch.
#pragma once

#include <cstdint>
#include <cstring>

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

  DenseRow(const MatrixView& w, std::int64_t row) : data_(w.data + row * w.row_bytes()) {}

  // Columns [c, c + 32).
  void step(std::int64_t c, F* out) const { load(data_ + c * kBytes, out); }
  // Columns [c, c + count), count < 32; zeros behind them.
  void tail(std::int64_t c, int count, F* out) const {
    std::byte padded[kStep * kBytes] = {};
    std::memcpy(padded, data_ + c * kBytes, static_cast<std::size_t>(count * kBytes));
    load(padded, out);
  }
  // Asks for what lies `bytes` behind column c in memory order: rows are read one after another.
  void prefetch(std::int64_t c, std::int64_t bytes) const {
    const std::uintptr_t at = reinterpret_cast<std::uintptr_t>(data_) + static_cast<std::uintptr_t>(c * kBytes + bytes);
    for (int line = 0; line < kStep * kBytes; line += 64) V::prefetch(at + static_cast<std::uintptr_t>(line));
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
  const std::byte* data_;
};

// One row of packed codes: fma(code, scale, bias).
template <class V, int kBits>
class PackedRow {
 public:
  using F = typename V::F;
  static constexpr int kStepBytes = kStep * kBits / 8;
  static constexpr bool kWholeSteps = true;

  PackedRow(const MatrixView& w, std::int64_t row)
      : data_(w.data + row * w.row_bytes()),
        scales_(w.scales + row * w.param_row_bytes()),
        biases_(w.biases + row * w.param_row_bytes()),
        dtype_(w.format.param_dtype),
        group_shift_(w.format.group_size == 32   ? 5
                     : w.format.group_size == 64 ? 6
                                                 : 7) {}

  void step(std::int64_t c, F* out) const {
    const std::int64_t group = c >> group_shift_;
    const F scale = V::value(dtype_, scales_, group), bias = V::value(dtype_, biases_, group);
    V::template unpack<kBits>(data_ + c / kStep * kStepBytes, out);
    for (int v = 0; v < kStepVectors<V>; ++v) out[v] = V::fma(out[v], scale, bias);
  }
  void prefetch(std::int64_t c, std::int64_t bytes) const {
    V::prefetch(reinterpret_cast<std::uintptr_t>(data_) + static_cast<std::uintptr_t>(c / kStep * kStepBytes + bytes));
  }

 private:
  const std::byte* data_;
  const std::byte* scales_;
  const std::byte* biases_;
  DType dtype_;
  int group_shift_;
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
inline void expand(const Row& row, std::int64_t begin, std::int64_t end, bool padded, float* out) {
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
