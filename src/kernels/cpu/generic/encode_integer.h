// SPDX-License-Identifier: Apache-2.0
// The encode ops of an instruction set, for every kind; here the groups without a free bias, which ref/encode_integer.h describes. Lanes
// and V as in encode.h.
#pragma once

#include "codec/weight_format.h"
#include "kernels/cpu/generic/encode.h"

namespace jang::kernels::generic {

template <class V, bool kWeighted>
class IntegerEncoder : Encoder<V, kWeighted> {
 public:
  using F = typename V::F;

  IntegerEncoder(Block<V>& block, const EncodeArgs& a)
      : Encoder<V, kWeighted>(block, a),
        symmetric_(a.kind == codec::Kind::symmetric),
        float_zero_(a.kind == codec::Kind::float_zero),
        half_(V::set1(static_cast<float>(codec::symmetric_zero(a.bits)))) {}

  // Scale and zero as stored; codes in rtn_q.
  Params<V> rtn() {
    lo_ = hi_ = zero_of();
    low_end_ = high_end_ = this->load(0);
    for (int j = 0; j < group_; ++j) {
      const F w = this->load(j);
      this->lo_hi(w, lo_, hi_);
      this->lo_hi(w, low_end_, high_end_);
    }
    if (!float_zero_) {
      low_end_ = lo_;
      high_end_ = hi_;
    }
    largest_ = V::max(V::abs(lo_), hi_);
    const F range = symmetric_ ? V::div(largest_, V::mul(max_code_, V::set1(0.5f))) : V::div(V::sub(hi_, lo_), max_code_);
    const F scale = V::round_to(dtype_, V::max(range, V::set1(1e-7f)));
    return store_codes(with_zero(scale, symmetric_ ? half_ : stored_zero(V::div(V::sub(zero_of(), lo_), scale))), block_.rtn_q);
  }

  // The best found, as stored; codes in fit_q. `seed`: of rtn().
  Params<V> fit(Params<V> seed) {
    this->prepare();
    best_ = constant();
    best_sums_ = this->evaluate(best_);
    try_params(with_zero(seed.scale, seed.zero));
    if (symmetric_)
      scan_scales();
    else
      scan_ends();
    for (int r = 0; r < search_.final_refits; ++r) try_params(rescale(best_sums_, best_.zero));
    for (int r = 0; r < search_.neighbour_rounds; ++r) neighbours();
    return store_codes(best_, block_.fit_q);
  }

 private:
  using Base = Encoder<V, kWeighted>;
  using Base::best_, Base::best_sums_, Base::block_, Base::dtype_, Base::group_, Base::h_sum_, Base::hi_, Base::lo_, Base::max_code_,
      Base::search_, Base::w_sum_;

  static F zero_of() { return V::set1(0.0f); }
  F stored_zero(F x) const { return float_zero_ ? V::round_to(dtype_, x) : this->code(x); }
  static Params<V> with_zero(F scale, F zero) { return {scale, V::sub(zero_of(), V::mul(zero, scale)), zero}; }

  Params<V> store_codes(Params<V> p, float (*q)[V::kLanes]) {
    const F inverse = V::div(V::set1(1.0f), p.scale);
    for (int j = 0; j < group_; ++j) V::store(q[j], this->code(V::mul(V::sub(this->load(j), p.bias), inverse)));
    return {p.scale, zero_of(), p.zero};
  }

  // Of a group whose weights are all equal. It comes first, so that it stays where rounding hides that it is better.
  Params<V> constant() const {
    const auto low = V::less(hi_, V::abs(lo_));
    const F edge = V::round_to(dtype_, V::select(low, lo_, hi_));
    return symmetric_ ? with_zero(edge, half_) : with_zero(V::abs(edge), V::select(low, V::set1(1.0f), zero_of()));
  }
  void scan_ends() {
    const F unit = V::div(V::sub(high_end_, low_end_), max_code_);
    for (const float a : search_.grid)
      for (const float c : search_.grid) {
        const F low = V::fma(V::set1(a), unit, low_end_), high = V::fnma(V::set1(c), unit, high_end_);
        const F scale = V::div(V::sub(high, low), max_code_);
        refits(with_zero(scale, stored_zero(V::div(V::sub(zero_of(), low), scale))));
      }
  }
  void scan_scales() {
    const F reach = V::div(largest_, half_);
    for (const float sign : {1.0f, -1.0f})
      for (int k = 0; k < kSymmetricSteps; ++k) refits(with_zero(V::mul(reach, V::set1(sign * symmetric_factor(search_, k))), half_));
  }
  void refits(Params<V> start) {
    Sums<V> sums = this->evaluate(start);
    for (int r = 0; r < search_.grid_refits; ++r) {
      const Params<V> p = rescale(sums, symmetric_ ? half_ : nearest_zero(sums));
      sums = this->evaluate(p);
      this->keep(p, sums);
    }
  }
  // Of least squares with a free bias.
  F nearest_zero(const Sums<V>& s) const {
    const F determinant = V::fnma(s.q, s.q, V::mul(h_sum_, s.qq));
    const F scale = V::div(V::fnma(s.q, w_sum_, V::mul(h_sum_, s.qw)), determinant);
    const F bias = V::div(V::fnma(scale, s.q, w_sum_), h_sum_);
    return stored_zero(V::div(V::sub(zero_of(), bias), scale));
  }
  // Least squares of the scale for fixed codes and zero.
  Params<V> rescale(const Sums<V>& s, F zero) const {
    const F square = V::fma(zero, V::fma(zero, h_sum_, V::mul(s.q, V::set1(-2.0f))), s.qq);
    const F scale = V::round_to(dtype_, V::div(V::fnma(zero, w_sum_, s.qw), square));
    return with_zero(symmetric_ ? scale : V::max(scale, zero_of()), zero);
  }
  void try_params(Params<V> p) { this->keep(p, this->evaluate(p)); }
  void neighbours() {
    const float step = neighbour_step(dtype_);
    for (const float factor : {1.0f + step, 1.0f - step})
      try_params(with_zero(V::round_to(dtype_, V::mul(best_.scale, V::set1(factor))), best_.zero));
    if (symmetric_) return;
    for (const float sign : {1.0f, -1.0f}) {
      const F zero = best_.zero;
      try_params(
          with_zero(best_.scale, stored_zero(float_zero_ ? V::mul(zero, V::set1(1.0f + sign * step)) : V::add(zero, V::set1(sign)))));
    }
  }

  bool symmetric_, float_zero_;
  F half_, largest_, low_end_, high_end_;
};

template <class V, bool kFit>
EncodeError encode_kind(const EncodeArgs& a) {
  if (a.kind == codec::Kind::affine)
    return a.importance ? encode<V, true, kFit, Encoder<V, true>>(a) : encode<V, false, kFit, Encoder<V, false>>(a);
  return a.importance ? encode<V, true, kFit, IntegerEncoder<V, true>>(a) : encode<V, false, kFit, IntegerEncoder<V, false>>(a);
}

template <class V>
EncodeError encode_rtn(const EncodeArgs& a) {
  return encode_kind<V, false>(a);
}
template <class V>
EncodeError encode_fit(const EncodeArgs& a) {
  return encode_kind<V, true>(a);
}

}  // namespace jang::kernels::generic
