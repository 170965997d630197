// SPDX-License-Identifier: Apache-2.0
// Encoding of affine groups, and the frame of all kinds, once for every instruction set. One SIMD lane = one row, all lanes at the same
// column group: every sum is lane-local, so there are no horizontal reductions and a lane does exactly what ref/encode.cpp does for its
// group, in the same order. Importance depends on the column only and is broadcast.
//
// V supplies kLanes and static inline ops on its register type F: load, store, set1, add, sub, mul, div, fma (a*b + c, one rounding),
// fnma (c - a*b), min, max (a op b ? a : b, so that NaN falls to b everywhere), less (mask), select, abs,
// round_even (nearest integer, half to even) and round_to(dtype, x).
// The search itself (candidates, order, constants) is in fit_search.h, shared with the reference.
#pragma once

#include <algorithm>

#include "codec/affine.h"
#include "kernels/encode.h"
#include "kernels/fit_search.h"
#include "kernels/params.h"

namespace jang::kernels::generic {

// kLanes groups, transposed: element j of lane l at [j][l].
template <class V>
struct Block {
  alignas(64) float w[codec::kMaxGroup][V::kLanes];
  alignas(64) float fit_q[codec::kMaxGroup][V::kLanes];
  alignas(64) float rtn_q[codec::kMaxGroup][V::kLanes];
  float h[codec::kMaxGroup];
};

// The value of a code is (code - zero) * scale + bias: ref/encode_group.h.
template <class V>
struct Params {
  typename V::F scale, bias, zero{};
};

// Sums over a group for given codes q: what a least-squares refit of scale and bias needs, and the score.
template <class V>
struct Sums {
  typename V::F score, q, qw, qq;
};

template <class V, bool kWeighted>
class Encoder {
 public:
  using F = typename V::F;

  Encoder(Block<V>& block, const EncodeArgs& a)
      : block_(block),
        group_(a.group_size),
        dtype_(a.param_dtype),
        max_code_(V::set1(static_cast<float>(codec::max_code(a.bits)))),
        search_(fit_search(a.bits)) {}

  // mx.quantize of the weights cast to the storage type: scale and bias as stored; codes, taken with the unrounded ones, in rtn_q.
  Params<V> rtn() {
    F lo = load(0), hi = load(0), cast_lo = V::round_to(dtype_, lo), cast_hi = cast_lo;
    for (int j = 1; j < group_; ++j) {
      const F cast = V::round_to(dtype_, load(j));
      lo_hi(load(j), lo, hi);
      lo_hi(cast, cast_lo, cast_hi);
    }
    lo_ = lo;
    hi_ = hi;
    lo = cast_lo;
    hi = cast_hi;
    const F zero = V::set1(0.0f);
    const auto low_edge = V::less(V::abs(hi), V::abs(lo));
    F scale = V::max(V::div(V::sub(hi, lo), max_code_), V::set1(1e-7f));
    scale = V::select(low_edge, scale, V::sub(zero, scale));
    const F edge = V::select(low_edge, lo, hi);
    const F q0 = V::round_even(V::div(edge, scale));
    const auto has_edge = V::less(zero, V::abs(q0));
    const Params<V> p{V::select(has_edge, V::div(edge, V::select(has_edge, q0, V::set1(1.0f))), scale), V::select(has_edge, edge, zero)};
    for (int j = 0; j < group_; ++j) V::store(block_.rtn_q[j], code(V::div(V::sub(V::round_to(dtype_, load(j)), p.bias), p.scale)));
    return {V::round_to(dtype_, p.scale), V::round_to(dtype_, p.bias)};
  }

  // Best scale and bias found, as stored; codes in fit_q. `seed` is the stored RTN solution.
  Params<V> fit(Params<V> seed) {
    prepare();
    best_ = seed;
    best_sums_ = evaluate(seed);
    const F unit = V::div(V::sub(hi_, lo_), max_code_);
    for (const float a : search_.grid) {
      for (const float c : search_.grid) {
        const F low = V::fma(V::set1(a), unit, lo_);
        const F high = V::fnma(V::set1(c), unit, hi_);
        Params<V> p{V::div(V::sub(high, low), max_code_), low};
        Sums<V> sums = evaluate(p);
        for (int r = 0; r < search_.grid_refits; ++r) {
          p = refit(sums);
          sums = evaluate(p);
          keep(p, sums);
        }
      }
    }
    for (int r = 0; r < search_.final_refits; ++r) {
      const Params<V> p = refit(best_sums_);
      keep(p, evaluate(p));
    }
    for (int r = 0; r < search_.neighbour_rounds; ++r) neighbours();
    const F inverse = V::div(V::set1(1.0f), best_.scale);
    for (int j = 0; j < group_; ++j) V::store(block_.fit_q[j], code(V::mul(V::sub(load(j), best_.bias), inverse)));
    return best_;
  }

 protected:
  F load(int j) const { return V::load(block_.w[j]); }
  F code(F x) const { return V::round_even(V::min(V::max(x, V::set1(0.0f)), max_code_)); }

  static void lo_hi(F w, F& lo, F& hi) {
    lo = V::min(lo, w);
    hi = V::max(hi, w);
  }

  void prepare() {
    h_sum_ = V::set1(0.0f);
    w_sum_ = V::set1(0.0f);
    for (int j = 0; j < group_; ++j) {
      if constexpr (kWeighted) {
        const F h = V::set1(block_.h[j]);
        h_sum_ = V::add(h_sum_, h);
        w_sum_ = V::fma(h, load(j), w_sum_);
      } else {
        w_sum_ = V::add(w_sum_, load(j));
      }
    }
    if constexpr (!kWeighted) h_sum_ = V::set1(static_cast<float>(group_));
  }

  Sums<V> evaluate(Params<V> p) const {
    const F zero = V::set1(0.0f);
    Sums<V> s{zero, zero, zero, zero};
    const F inverse = V::div(V::set1(1.0f), p.scale);
    for (int j = 0; j < group_; ++j) {
      const F w = load(j);
      const F x = V::sub(w, p.bias);
      const F q = code(V::mul(x, inverse));
      const F d = V::fnma(p.scale, q, x);
      if constexpr (kWeighted) {
        const F h = V::set1(block_.h[j]);
        const F hq = V::mul(h, q);
        s.score = V::fma(V::mul(h, d), d, s.score);
        s.q = V::add(s.q, hq);
        s.qw = V::fma(hq, w, s.qw);
        s.qq = V::fma(hq, q, s.qq);
      } else {
        s.score = V::fma(d, d, s.score);
        s.q = V::add(s.q, q);
        s.qw = V::fma(q, w, s.qw);
        s.qq = V::fma(q, q, s.qq);
      }
    }
    return s;
  }

  // Least squares for fixed codes, scale rounded to storage, then the best bias for that rounded scale, rounded.
  Params<V> refit(const Sums<V>& s) const {
    const F determinant = V::fnma(s.q, s.q, V::mul(h_sum_, s.qq));
    const F scale = V::div(V::fnma(s.q, w_sum_, V::mul(h_sum_, s.qw)), determinant);
    return with_bias(V::round_to(dtype_, scale), s);
  }
  Params<V> with_bias(F scale, const Sums<V>& s) const { return {scale, V::round_to(dtype_, V::div(V::fnma(scale, s.q, w_sum_), h_sum_))}; }

  void keep(Params<V> p, const Sums<V>& s) {
    const auto better = V::less(s.score, best_sums_.score);
    best_.scale = V::select(better, p.scale, best_.scale);
    best_.bias = V::select(better, p.bias, best_.bias);
    best_.zero = V::select(better, p.zero, best_.zero);
    best_sums_.score = V::select(better, s.score, best_sums_.score);
    best_sums_.q = V::select(better, s.q, best_sums_.q);
    best_sums_.qw = V::select(better, s.qw, best_sums_.qw);
    best_sums_.qq = V::select(better, s.qq, best_sums_.qq);
  }

  // One step of the stored scale up and down with the bias refitted, then one step of the stored bias up and down.
  void neighbours() {
    const float step = neighbour_step(dtype_);
    for (const float factor : {1.0f + step, 1.0f - step}) {
      const Params<V> p = with_bias(V::round_to(dtype_, V::mul(best_.scale, V::set1(factor))), best_sums_);
      keep(p, evaluate(p));
    }
    for (const float factor : {1.0f + step, 1.0f - step}) {
      const Params<V> p{best_.scale, V::round_to(dtype_, V::mul(best_.bias, V::set1(factor)))};
      keep(p, evaluate(p));
    }
  }

  Block<V>& block_;
  int group_;
  DType dtype_;
  F max_code_;
  const FitSearch& search_;
  F lo_, hi_, h_sum_, w_sum_;
  Params<V> best_;
  Sums<V> best_sums_;
};

// h * (w - ((q - zero)*scale + bias))^2 summed over the group for every lane, in double, column by column.
template <class V, bool kWeighted>
void group_errors(const Block<V>& block, const float (*q)[V::kLanes], int group, const float* scale, const float* bias, const float* zero,
                  double* error) {
  for (int l = 0; l < V::kLanes; ++l) error[l] = 0;
  for (int j = 0; j < group; ++j) {
    const double h = kWeighted ? static_cast<double>(block.h[j]) : 1.0;
    for (int l = 0; l < V::kLanes; ++l) {
      const double steps = static_cast<double>(q[j][l]) - static_cast<double>(zero[l]);
      const double value = steps * static_cast<double>(scale[l]) + static_cast<double>(bias[l]);
      const double d = static_cast<double>(block.w[j][l]) - value;
      error[l] += h * (d * d);
    }
  }
}

template <class V, bool kWeighted>
void group_norms(const Block<V>& block, int group, double* norm) {
  for (int l = 0; l < V::kLanes; ++l) norm[l] = 0;
  for (int j = 0; j < group; ++j) {
    const double h = kWeighted ? static_cast<double>(block.h[j]) : 1.0;
    for (int l = 0; l < V::kLanes; ++l) norm[l] += h * (static_cast<double>(block.w[j][l]) * static_cast<double>(block.w[j][l]));
  }
}

// One solution for all lanes as arrays: stored scale, bias and zero, codes, exact error.
template <class V>
struct Solution {
  alignas(64) float scale[V::kLanes];
  alignas(64) float bias[V::kLanes];
  alignas(64) float zero[V::kLanes];
  const float (*q)[V::kLanes];
  double error[V::kLanes];
};

template <class V, bool kWeighted>
void finish(Solution<V>& s, const Block<V>& block, const float (*q)[V::kLanes], int group, Params<V> stored) {
  V::store(s.scale, stored.scale);
  V::store(s.bias, stored.bias);
  V::store(s.zero, stored.zero);
  s.q = q;
  group_errors<V, kWeighted>(block, q, group, s.scale, s.bias, s.zero, s.error);
}

// Codes, scale and bias of one lane's group into the output arrays.
template <class V>
void write_group(const EncodeArgs& a, const Solution<V>& s, int lane, std::int64_t row, std::int64_t group_index) {
  std::uint8_t codes[codec::kMaxGroup];
  for (int j = 0; j < a.group_size; ++j) codes[j] = static_cast<std::uint8_t>(s.q[j][lane]);
  const std::int64_t at = row * (a.in / a.group_size) + group_index;
  codec::pack({codes, static_cast<std::size_t>(a.group_size)}, a.bits, a.words + at * codec::words_per_row(a.group_size, a.bits));
  store_param(a.param_dtype, s.scale[lane], a.scales, at);
  if (a.kind == codec::Kind::affine) store_param(a.param_dtype, s.bias[lane], a.biases, at);
  if (a.kind == codec::Kind::integer_zero) a.zeros[at] = static_cast<std::uint8_t>(s.zero[lane]);
  if (a.kind == codec::Kind::float_zero) store_param(a.param_dtype, s.zero[lane], a.float_zeros, at);
}

template <class V, bool kWeighted>
void load_block(Block<V>& block, const EncodeArgs& a, std::int64_t row0, int n_lanes, std::int64_t column) {
  for (int l = 0; l < V::kLanes; ++l) {  // lanes past the last row repeat it
    const float* row = a.weights + (row0 + std::min(l, n_lanes - 1)) * a.in + column;
    for (int j = 0; j < a.group_size; ++j) block.w[j][l] = row[j];
  }
  if constexpr (kWeighted) load_importance(a.importance + column, a.group_size, block.h);
}

// `GroupEncoder`: Encoder, or IntegerEncoder of encode_integer.h.
template <class V, bool kWeighted, bool kFit, class GroupEncoder>
EncodeError encode(const EncodeArgs& a) {
  constexpr int kLanes = V::kLanes;
  Block<V> block;
  Solution<V> rtn, fit;
  EncodeError total;
  for (std::int64_t row0 = 0; row0 < a.n_rows; row0 += kLanes) {
    const int n_lanes = static_cast<int>(std::min<std::int64_t>(kLanes, a.n_rows - row0));
    double row_error[kLanes] = {}, row_norm[kLanes] = {};
    for (std::int64_t g = 0; g < a.in / a.group_size; ++g) {
      load_block<V, kWeighted>(block, a, row0, n_lanes, g * a.group_size);
      GroupEncoder encoder(block, a);
      const Params<V> seed = encoder.rtn();
      finish<V, kWeighted>(rtn, block, block.rtn_q, a.group_size, seed);
      if constexpr (kFit) finish<V, kWeighted>(fit, block, block.fit_q, a.group_size, encoder.fit(seed));
      double norm[kLanes];
      group_norms<V, kWeighted>(block, a.group_size, norm);
      for (int l = 0; l < n_lanes; ++l) {
        const Solution<V>& s = kFit && fit.error[l] < rtn.error[l] * kMustBeat ? fit : rtn;
        row_error[l] += s.error[l];
        row_norm[l] += norm[l];
        if (a.words) write_group<V>(a, s, l, row0 + l, g);
      }
    }
    for (int l = 0; l < n_lanes; ++l) {
      total.squared_error += row_error[l];
      total.squared_norm += row_norm[l];
    }
  }
  return total;
}

}  // namespace jang::kernels::generic
