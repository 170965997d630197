// SPDX-License-Identifier: Apache-2.0
// Products of a few prepared inputs with packed rows: one row at a time in memory order, each vector of codes unpacked once for all inputs.
//
// A step is one block (linear_input.h), or as many blocks as a group takes. A lane of its integer sums belongs to one group, L / (lanes per
// group) or, in woven blocks, L % groups, and the lane's float accumulator takes sum * (s * dx of its group). A batch is kLanes groups:
// their scales are read as one vector. Even and odd steps have accumulators of their own, for latency. The order of all
// float operations depends on the row's format and length only.
//
// The end of the arrays is never passed: vectors of codes may be read past the end of a row, but a batch that could reach past the end of
// the matrix reads through partial loads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "kernels/cpu/generic/linear_input.h"
#include "kernels/matrix.h"

namespace jang::kernels::generic {

constexpr int kPrefetchBytes = 2048;      // ahead of the codes being read
constexpr int kParamPrefetchBytes = 256;  // ahead of the scales and biases

// What a row of weights looks like to vectors of Isa::kBytes.
template <class Isa, int kBits, int kGroup>
struct Steps {
  static constexpr int kVectors = vectors<Isa>(kBits, kGroup);
  static constexpr int kBlock = Isa::kBytes * kVectors;                  // weights of a block
  static constexpr int kBlockBytes = kBlock * kBits / 8;                 // their bytes in memory
  static constexpr int kBlocks = kGroup > kBlock ? kGroup / kBlock : 1;  // blocks of a step
  static constexpr int kGroups = kBlock > kGroup ? kBlock / kGroup : 1;  // groups of a step
  static constexpr int kLanesPerGroup = Isa::kLanes / kGroups;
  static constexpr bool kWoven = Isa::woven(kBits, kGroup);
  static constexpr int kSteps = Isa::kLanes / kGroups;  // of a batch
  static constexpr int kStepBytes = kBlocks * kBlockBytes;
  static constexpr int kBatchBytes = kSteps * kStepBytes;
  static_assert(Isa::kLanes % kGroups == 0);
};

// The running sums of a row. Everything is inlined into decode() so that they live in registers.
template <class Isa, int kInputs>
struct RowSums {
  typename Isa::F even[kInputs], odd[kInputs];
};

// Prepared inputs (linear_input.h).
template <int kInputs>
struct InputRows {
  const std::byte* row[kInputs];
  std::int64_t to_low = 0;  // from the bytes of x to their low bytes
};

// What a batch multiplies with.
template <class Isa, int kInputs>
struct BatchScales {
  typename Isa::F scale[kInputs];                  // s * dx of the batch's groups
  alignas(64) float memory[kInputs][Isa::kLanes];  // the same, for instruction sets that broadcast from memory
};

// One step: adds to `sum`. kPartial: only `left` bytes of codes may be read, from the first of the step on.
template <class Isa, int kBits, int kGroup, int kInputs, bool kWide, bool kPartial>
[[gnu::always_inline]] inline void step(const std::byte* codes, std::int64_t left, const InputRows<kInputs>& x, std::int64_t offset,
                                        const BatchScales<Isa, kInputs>& scales, int first_group, typename Isa::F (&sum)[kInputs]) {
  using S = Steps<Isa, kBits, kGroup>;
  typename Isa::I dots[kInputs], low[kInputs];
#pragma GCC unroll 8
  for (int i = 0; i < kInputs; ++i) dots[i] = low[i] = Isa::zero_int();
#pragma GCC unroll 8
  for (int b = 0; b < S::kBlocks; ++b) {
    typename Isa::I w[S::kVectors];
    if constexpr (kPartial) {
      const std::int64_t n = left - b * S::kBlockBytes;
      Isa::template unpack_partial<kBits, kGroup>(codes + b * S::kBlockBytes, n < 0 ? 0 : n > S::kBlockBytes ? S::kBlockBytes : n, w);
    } else {
      Isa::template unpack<kBits, kGroup>(codes + b * S::kBlockBytes, w);
    }
#pragma GCC unroll 8
    for (int i = 0; i < kInputs; ++i) {
      const std::int8_t* at = reinterpret_cast<const std::int8_t*>(x.row[i]) + offset + b * S::kBlock;
      dots[i] = Isa::template dot<kBits>(dots[i], w, at);
      if constexpr (kWide) low[i] = Isa::template dot<kBits>(low[i], w, at + x.to_low);
    }
  }
  if constexpr (kWide) {
#pragma GCC unroll 8
    for (int i = 0; i < kInputs; ++i) dots[i] = Isa::join(dots[i], low[i]);
  }
#pragma GCC unroll 8
  for (int i = 0; i < kInputs; ++i)
    sum[i] = Isa::fma(Isa::to_float(dots[i]),
                      Isa::template spread<S::kLanesPerGroup, S::kWoven>(scales.scale[i], scales.memory[i], first_group), sum[i]);
}

// Step number kStep of a whole batch, and the prefetches of the lines that it reads.
template <class Isa, int kBits, int kGroup, int kInputs, bool kWide, int kStep>
[[gnu::always_inline]] inline void full_step(const std::byte* codes, const InputRows<kInputs>& x, std::int64_t offset,
                                             const BatchScales<Isa, kInputs>& scales, RowSums<Isa, kInputs>& sums) {
  using S = Steps<Isa, kBits, kGroup>;
  constexpr std::int64_t kBegin = std::int64_t{kStep} * S::kStepBytes, kEnd = kBegin + S::kStepBytes;
#pragma GCC unroll 8
  for (std::int64_t line = round_up(kBegin, 64); line < kEnd; line += 64) Isa::prefetch(codes + line + kPrefetchBytes);
  step<Isa, kBits, kGroup, kInputs, kWide, false>(codes + kBegin, 0, x, offset + std::int64_t{kStep} * S::kBlocks * S::kBlock, scales,
                                                  kStep * S::kGroups, kStep % 2 == 0 ? sums.even : sums.odd);
}

// n groups: less than a batch, or close to the end of the matrix.
template <class Isa, int kBits, int kGroup, int kInputs, bool kWide, bool kPartial>
[[gnu::always_inline]] inline void part_batch(const std::byte* codes, std::int64_t left, const InputRows<kInputs>& x, std::int64_t offset,
                                              int n, const BatchScales<Isa, kInputs>& scales, RowSums<Isa, kInputs>& sums) {
  using S = Steps<Isa, kBits, kGroup>;
  constexpr int kColumns = S::kBlocks * S::kBlock;
  for (int g = 0; g < n; g += 2 * S::kGroups, codes += 2 * S::kStepBytes, left -= 2 * S::kStepBytes, offset += 2 * kColumns) {
    step<Isa, kBits, kGroup, kInputs, kWide, kPartial>(codes, left, x, offset, scales, g, sums.even);
    if (g + S::kGroups >= n) break;
    step<Isa, kBits, kGroup, kInputs, kWide, kPartial>(codes + S::kStepBytes, left - S::kStepBytes, x, offset + kColumns, scales,
                                                       g + S::kGroups, sums.odd);
  }
}

// Scales and biases of a batch of n groups: fills `scales` and adds the biases' part. dx: of the inputs, at the first group; the sums are
// `to_sums` bytes behind.
template <class Isa, int kBits, int kGroup, int kInputs, bool kWide>
[[gnu::always_inline]] inline void batch_params(typename Isa::F s, typename Isa::F bias, const InputRows<kInputs>& x, std::int64_t dx,
                                                std::int64_t to_sums, BatchScales<Isa, kInputs>& scales, RowSums<Isa, kInputs>& sums) {
  using S = Steps<Isa, kBits, kGroup>;
  const typename Isa::F b = with_offset<Isa, kBits>(bias, s);
  if constexpr (kWide) s = Isa::mul(s, Isa::set1(1.0f / 256));  // what join() counts in
#pragma GCC unroll 8
  for (int i = 0; i < kInputs; ++i) {
    const std::byte* const from = x.row[i] + dx;
    scales.scale[i] = Isa::mul(s, Isa::load(reinterpret_cast<const float*>(from)));
    if constexpr (Isa::spreads_from_memory(S::kLanesPerGroup, S::kWoven)) {
      Isa::store(scales.memory[i], scales.scale[i]);
      asm("" : "+m"(scales.memory[i]));  // or GCC rebuilds what it should load from there out of the vector
    }
    sums.even[i] = Isa::fma(b, Isa::load(reinterpret_cast<const float*>(from + to_sums)), sums.even[i]);
  }
}

// All rows of w against kInputs inputs. kWide: the low bytes of the inputs count too; where they are zero the bits of y are the same as
// without.
template <class Isa, int kBits, int kGroup, int kInputs, bool kWide>
void decode(const MatrixView& w, const std::byte* inputs, float* y, std::int64_t y_stride) {
  using S = Steps<Isa, kBits, kGroup>;
  const InputLayout layout(w.n_cols, kGroup);
  InputRows<kInputs> x;
  for (int i = 0; i < kInputs; ++i) x.row[i] = inputs + i * layout.bytes;
  x.to_low = layout.low;
  const std::int64_t n_rows = w.n_rows, n_groups = w.n_cols / kGroup, row_bytes = w.row_bytes();
  const std::int64_t to_sums = layout.sums - layout.scales;
  const DType dtype = w.format.param_dtype;
  const std::int64_t param_bytes = size_bytes(dtype);
  constexpr std::int64_t kGroupBytes = kGroup * kBits / 8;
  const std::byte *codes = w.data, *scale = w.scales, *bias = w.biases;
  // Bytes of codes up to where a batch may begin without reading past the end: it may load kBytes more than it holds.
  const std::int64_t fast_bytes = n_rows * row_bytes - (S::kBatchBytes + Isa::kBytes);
  for (std::int64_t r = 0; r < n_rows; ++r) {
    RowSums<Isa, kInputs> sums;
#pragma GCC unroll 8
    for (int i = 0; i < kInputs; ++i) sums.even[i] = sums.odd[i] = Isa::zero();
    BatchScales<Isa, kInputs> scales;
    std::int64_t g = 0;
    for (; g + Isa::kLanes <= n_groups && codes - w.data <= fast_bytes; g += Isa::kLanes) {
      Isa::prefetch(scale + kParamPrefetchBytes);
      Isa::prefetch(bias + kParamPrefetchBytes);
      batch_params<Isa, kBits, kGroup, kInputs, kWide>(Isa::load_params(dtype, scale), Isa::load_params(dtype, bias), x,
                                                       layout.scales + 4 * g, to_sums, scales, sums);
      [&]<int... kStep>(std::integer_sequence<int, kStep...>) __attribute__((always_inline)) {
        (full_step<Isa, kBits, kGroup, kInputs, kWide, kStep>(codes, x, g * kGroup, scales, sums), ...);
      }
      (std::make_integer_sequence<int, S::kSteps>());
      codes += Isa::kLanes * kGroupBytes;
      scale += Isa::kLanes * param_bytes;
      bias += Isa::kLanes * param_bytes;
    }
    for (; g < n_groups; g += Isa::kLanes) {
      const int n = n_groups - g < Isa::kLanes ? static_cast<int>(n_groups - g) : Isa::kLanes;
      batch_params<Isa, kBits, kGroup, kInputs, kWide>(Isa::load_params_partial(dtype, scale, n), Isa::load_params_partial(dtype, bias, n),
                                                       x, layout.scales + 4 * g, to_sums, scales, sums);
      if (codes - w.data <= fast_bytes)
        part_batch<Isa, kBits, kGroup, kInputs, kWide, false>(codes, 0, x, g * kGroup, n, scales, sums);
      else
        part_batch<Isa, kBits, kGroup, kInputs, kWide, true>(codes, (n_groups - g) * kGroupBytes, x, g * kGroup, n, scales, sums);
      codes += n * kGroupBytes;
      scale += n * param_bytes;
      bias += n * param_bytes;
    }
#pragma GCC unroll 8
    for (int i = 0; i < kInputs; ++i) y[i * y_stride + r] = Isa::sum(Isa::add(sums.even[i], sums.odd[i]));
  }
}

}  // namespace jang::kernels::generic
