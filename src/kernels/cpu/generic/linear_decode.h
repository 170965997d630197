// SPDX-License-Identifier: Apache-2.0
// Products of a few prepared inputs with packed rows: one row at a time in memory order, each vector of codes unpacked once for all inputs.
//
// A step is the smaller of: one vector of codes, or as many vectors as a group takes. Its integer sums stand one dword lane per 4*P weights
// (P: phases, linear_input.h), so a lane belongs to one group, and the lane's float accumulator takes sum * (s * dx of its group). A batch
// is kLanes groups: their scales are read as one vector. Even and odd steps have accumulators of their own, for latency. The order of all
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

constexpr int kPrefetchBytes = 8192;  // ahead of the codes being read

// What a row of weights looks like to vectors of Isa::kBytes.
template <class Isa, int kBits, int kGroup>
struct Steps {
  static constexpr int kPhases = phases(kBits);
  static constexpr int kBlock = Isa::kBytes * kPhases;                   // weights of one vector of codes
  static constexpr int kBlockBytes = kBlock * kBits / 8;                 // their bytes in memory
  static constexpr int kBlocks = kGroup > kBlock ? kGroup / kBlock : 1;  // blocks of a step
  static constexpr int kGroups = kBlock > kGroup ? kBlock / kGroup : 1;  // groups of a step
  static constexpr int kLanesPerGroup = kBlocks > 1 ? Isa::kLanes : Isa::kLanes / kGroups;
  static constexpr int kSteps = Isa::kLanes / kGroups;  // of a batch
  static constexpr int kStepBytes = kBlocks * kBlockBytes;
  static constexpr int kBatchBytes = kSteps * kStepBytes;
  static_assert(Isa::kLanes % kGroups == 0);
};

// One row against kInputs prepared inputs.
template <class Isa, int kBits, int kGroup, int kInputs>
struct Row {
  using S = Steps<Isa, kBits, kGroup>;
  using F = typename Isa::F;
  using I = typename Isa::I;

  F even[kInputs], odd[kInputs];
  F scale[kInputs];                                // s * dx of the batch's groups
  alignas(64) float scales[kInputs][Isa::kLanes];  // the same in memory, for instruction sets that broadcast from there

  // kLeft: the codes' bytes that may be read are `left`, fewer than the vector needs.
  template <bool kPartial>
  [[gnu::always_inline]] inline void step(const std::byte* codes, std::int64_t left, const std::byte* const* x, std::int64_t offset,
                                          int first_group, F (&sum)[kInputs]) {
    I dots[kInputs];
    for (int i = 0; i < kInputs; ++i) dots[i] = Isa::zero_int();
    for (int b = 0; b < S::kBlocks; ++b) {
      I w[S::kPhases];
      if constexpr (kPartial) {
        const std::int64_t n = left - b * S::kBlockBytes;
        Isa::template unpack_partial<kBits>(codes + b * S::kBlockBytes, n < 0 ? 0 : n > S::kBlockBytes ? S::kBlockBytes : n, w);
      } else {
        Isa::template unpack<kBits>(codes + b * S::kBlockBytes, w);
      }
      for (int i = 0; i < kInputs; ++i)
        dots[i] = Isa::template dot<kBits>(dots[i], w, reinterpret_cast<const std::int8_t*>(x[i]) + offset + b * S::kBlock);
    }
    for (int i = 0; i < kInputs; ++i)
      sum[i] = Isa::fma(Isa::to_float(dots[i]), Isa::template spread<S::kLanesPerGroup>(scale[i], scales[i], first_group), sum[i]);
  }

  [[gnu::always_inline]] inline void start() {
    for (int i = 0; i < kInputs; ++i) even[i] = odd[i] = Isa::zero();
  }

  // Reads scales and biases of n groups (n <= kLanes) and adds the biases' part.
  [[gnu::always_inline]] inline void params(DType dtype, const std::byte* scale_bytes, const std::byte* bias_bytes, int n,
                                            const std::byte* const* x, const InputLayout& layout, std::int64_t group) {
    const F s = Isa::load_params(dtype, scale_bytes, n), b = Isa::load_params(dtype, bias_bytes, n);
    for (int i = 0; i < kInputs; ++i) {
      scale[i] = Isa::mul(s, Isa::load(reinterpret_cast<const float*>(x[i] + layout.scales) + group));
      Isa::store(scales[i], scale[i]);
      even[i] = Isa::fma(b, Isa::load(reinterpret_cast<const float*>(x[i] + layout.sums) + group), even[i]);
    }
  }

  template <std::size_t kStep>
  [[gnu::always_inline]] inline void full_step(const std::byte* codes, const std::byte* const* x, std::int64_t offset) {
    // One prefetch for every 64 bytes of codes.
    constexpr std::int64_t kBegin = kStep * S::kStepBytes, kFirst = round_up(kBegin, 64), kEnd = kBegin + S::kStepBytes;
    for (std::int64_t line = kFirst; line < kEnd; line += 64) Isa::prefetch(codes + line + kPrefetchBytes);
    step<false>(codes + kBegin, 0, x, offset + static_cast<std::int64_t>(kStep) * S::kBlocks * S::kBlock,
                static_cast<int>(kStep) * S::kGroups, kStep % 2 == 0 ? even : odd);
  }
  template <std::size_t... kStep>
  [[gnu::always_inline]] inline void full_batch(const std::byte* codes, const std::byte* const* x, std::int64_t offset,
                                                std::index_sequence<kStep...>) {
    (full_step<kStep>(codes, x, offset), ...);
  }

  // n groups from `first`, not a whole batch or close to the end of the matrix.
  template <bool kPartial>
  void part_batch(const std::byte* codes, std::int64_t left, const std::byte* const* x, std::int64_t offset, int n) {
    for (int g = 0; g < n; g += S::kGroups) {
      const int k = g / S::kGroups;
      const std::int64_t at = static_cast<std::int64_t>(k) * S::kStepBytes;
      const std::int64_t column = offset + static_cast<std::int64_t>(k) * S::kBlocks * S::kBlock;
      step<kPartial>(codes + at, left - at, x, column, g, k % 2 == 0 ? even : odd);
    }
  }
};

// All rows of w against kInputs inputs.
template <class Isa, int kBits, int kGroup, int kInputs>
void decode(const MatrixView& w, const std::byte* inputs, float* y, std::int64_t y_stride) {
  using S = Steps<Isa, kBits, kGroup>;
  const InputLayout layout(w.n_cols, kGroup);
  const std::byte* x[kInputs];
  for (int i = 0; i < kInputs; ++i) x[i] = inputs + i * layout.bytes;
  const std::int64_t n_groups = w.n_cols / kGroup, row_bytes = w.row_bytes(), param_row_bytes = w.param_row_bytes();
  const std::int64_t param_bytes = size_bytes(w.format.param_dtype);
  constexpr std::int64_t kGroupBytes = kGroup * kBits / 8;
  const std::int64_t params_ahead = kPrefetchBytes / kGroupBytes * param_bytes;
  const std::byte* const end = w.data + w.n_rows * row_bytes;
  for (std::int64_t r = 0; r < w.n_rows; ++r) {
    const std::byte* const codes = w.data + r * row_bytes;
    const std::byte* const scales = w.scales + r * param_row_bytes;
    const std::byte* const biases = w.biases + r * param_row_bytes;
    Row<Isa, kBits, kGroup, kInputs> row;
    row.start();
    for (std::int64_t g = 0; g < n_groups; g += Isa::kLanes) {
      const int n = n_groups - g < Isa::kLanes ? static_cast<int>(n_groups - g) : Isa::kLanes;
      Isa::prefetch(scales + g * param_bytes + params_ahead);
      Isa::prefetch(biases + g * param_bytes + params_ahead);
      row.params(w.format.param_dtype, scales + g * param_bytes, biases + g * param_bytes, n, x, layout, g);
      const std::byte* const from = codes + g * kGroupBytes;
      const std::int64_t left = end - from, offset = g * kGroup;
      // Isa::kBytes more than the batch holds: an unpack may load a whole vector and use less.
      if (left < S::kBatchBytes + Isa::kBytes) {
        row.template part_batch<true>(from, codes + row_bytes - from, x, offset, n);
      } else if (n == Isa::kLanes) {
        row.full_batch(from, x, offset, std::make_index_sequence<S::kSteps>());
      } else {
        row.template part_batch<false>(from, 0, x, offset, n);
      }
    }
    for (int i = 0; i < kInputs; ++i) y[i * y_stride + r] = Isa::sum(Isa::add(row.even[i], row.odd[i]));
  }
}

}  // namespace jang::kernels::generic
