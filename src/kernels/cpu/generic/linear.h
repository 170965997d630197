// SPDX-License-Identifier: Apache-2.0
// A fast linear kernel from an instruction set: the functions of LinearKernel over linear_input.h, linear_decode.h and linear_prefill.h.
//
// From kPrefillFrom inputs on the tiled form runs. The two forms sum in different orders: the result for an input is the same for every n
// on one side of the limit, and differs by rounding across it.
//
// An instruction set (isa/*.cpp) is a type with
//   kBytes, kLanes (= kBytes/4)   of a vector; I, F: a vector of bytes or int32, of float
//   kRowTiles, kMaxInputs         of a tile and a step of linear_prefill.h; kMaxInputs is even and at most 8
//   zero, zero_int, set1, load and store (aligned), add, mul, fma(a, b, c) = a*b + c, to_float(I), bits_of(F), sum(F)
//   join(high, low)               256 * high + low, integers
//   prefetch, prefetch_far        one line
//   load_params(dtype, p)         kLanes floats from f16, bf16 or f32; load_params_partial: n of them, the rest zero
//   load_int, store_int           at any address; load_int_partial(p, n): n bytes
//   load_rows, store_rows         min(n, kLanes) floats, none when n <= 0
//   unpack<bits, group>(p, w)     the vectors of a block (linear_input.h); reads at most kBytes past it; unpack_partial(p, n, w): n bytes
//   dot<bits>(sum, w, x)          adds the products of a block with the bytes at x, four to a lane
//   spread<lanes, woven>(v, memory, first)   lane L gets the element of its group, counted from `first`, of v; memory holds v too
//   transpose(m)                  kLanes x kLanes words
//   expand<bits>(words, quads)    32 weights of kLanes rows, [word][row], to 8 vectors in tile order
//   multiply_words<bits>(codes, x, from, n, distance, dots)   n words of the inner product of linear_prefill.h
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "codec/dispatch.h"
#include "kernels/cpu/generic/linear_decode.h"
#include "kernels/cpu/generic/linear_prefill.h"
#include "kernels/ops.h"

namespace jang::kernels::generic {

template <class Isa>
struct Linear {
  static bool supports(const MatrixFormat& f) {
    return f.packed() && codec::is_width(f.bits) && codec::is_group(f.group_size) &&
           (f.param_dtype == DType::f16 || f.param_dtype == DType::bf16 || f.param_dtype == DType::f32);
  }

  static std::int64_t input_bytes(const MatrixFormat& f, std::int64_t n_cols) { return InputLayout(n_cols, f.group_size).bytes; }

  static void prepare(const MatrixFormat& f, const float* x, std::int64_t n_cols, std::byte* out) {
    generic::prepare<Isa>(f.bits, f.group_size, x, n_cols, out);
  }

  static void matmul(const MatrixView& w, const std::byte* inputs, std::int64_t n, float* y, std::int64_t y_stride) {
    const bool known = codec::with_width(w.format.bits, [&]<int kBits>() { with_bits<kBits>(w, inputs, n, y, y_stride); });
    JANG_CHECK(known);  // a format that supports() denies is refused when its model is loaded
  }

 private:
  template <int kBits>
  static void with_bits(const MatrixView& w, const std::byte* inputs, std::int64_t n, float* y, std::int64_t y_stride) {
    if (n >= kPrefillFrom) return prefill<Isa, kBits>(w, inputs, n, y, y_stride);
    const bool known = codec::with_group(w.format.group_size,
                                         [&]<int kGroup>() { with_inputs<kBits, kGroup, kPrefillFrom - 1>(w, inputs, n, y, y_stride); });
    JANG_CHECK(known);
  }

  // Some are wide: two of those at a time gained nothing over taking them in turn while some rows stay in the second-level cache.
  template <int kBits, int kGroup>
  static void one_by_one(const MatrixView& w, const std::byte* inputs, std::int64_t n, const InputLayout& layout, float* y,
                         std::int64_t y_stride) {
    constexpr std::int64_t kBlockBytes = 128 * 1024;
    const std::int64_t block = n == 1 ? w.n_rows : std::max<std::int64_t>(kBlockBytes / std::max<std::int64_t>(w.row_bytes(), 1), 1);
    for (std::int64_t row = 0; row < w.n_rows; row += block) {
      const MatrixView rows = w.rows(row, w.n_rows - row < block ? w.n_rows - row : block);
      for (std::int64_t i = 0; i < n; ++i) {
        const std::byte* input = inputs + i * layout.bytes;
        if (is_wide(input, layout))
          decode<Isa, kBits, kGroup, 1, true>(rows, input, y + i * y_stride + row, y_stride);
        else
          decode<Isa, kBits, kGroup, 1, false>(rows, input, y + i * y_stride + row, y_stride);
      }
    }
  }

  template <int kBits, int kGroup, int kInputs>
  static void with_inputs(const MatrixView& w, const std::byte* inputs, std::int64_t n, float* y, std::int64_t y_stride) {
    if (n == kInputs) {
      const InputLayout layout(w.n_cols, kGroup);
      for (int i = 0; i < kInputs; ++i)
        if (is_wide(inputs + i * layout.bytes, layout)) return one_by_one<kBits, kGroup>(w, inputs, n, layout, y, y_stride);
      return decode<Isa, kBits, kGroup, kInputs, false>(w, inputs, y, y_stride);
    }
    if constexpr (kInputs > 1) with_inputs<kBits, kGroup, kInputs - 1>(w, inputs, n, y, y_stride);
  }
};

}  // namespace jang::kernels::generic
