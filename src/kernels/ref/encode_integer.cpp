// SPDX-License-Identifier: Apache-2.0
// The same steps in the same order as cpu/generic/encode_integer.h, so that the bits are the same.
#include "kernels/ref/encode_integer.h"

#include <algorithm>
#include <cmath>

#include "kernels/fit_search.h"
#include "kernels/params.h"

namespace jang::kernels::ref {
namespace {

constexpr float kLeastScale = 1e-7f;

Params with_zero(float scale, float zero) { return {scale, 0.0f - zero * scale, zero}; }

Solution stored_solution(const Group& g, const Params& p) {
  Solution s;
  const float inverse = 1.0f / p.scale;
  for (int j = 0; j < g.n; ++j) s.codes[j] = clamp_code((g.w[j] - p.bias) * inverse, g.max_code);
  s.stored = {p.scale, 0.0f, p.zero};
  s.error = exact_error(g, s);
  return s;
}

class IntegerSearch {
 public:
  IntegerSearch(const Group& g, codec::Kind kind, int bits)
      : g_(g),
        search_(fit_search(bits)),
        symmetric_(kind == codec::Kind::symmetric),
        float_zero_(kind == codec::Kind::float_zero),
        half_(static_cast<float>(codec::symmetric_zero(bits))),
        fixed_(g) {
    low_end_ = high_end_ = g.w[0];
    for (int j = 0; j < g.n; ++j) {
      lo_ = lo_ < g.w[j] ? lo_ : g.w[j];
      hi_ = hi_ > g.w[j] ? hi_ : g.w[j];
      low_end_ = low_end_ < g.w[j] ? low_end_ : g.w[j];
      high_end_ = high_end_ > g.w[j] ? high_end_ : g.w[j];
    }
    if (!float_zero_) {
      low_end_ = lo_;
      high_end_ = hi_;
    }
    largest_ = std::fabs(lo_) > hi_ ? std::fabs(lo_) : hi_;
  }

  Params rtn() const {
    const float range = symmetric_ ? largest_ / (g_.max_code * 0.5f) : (hi_ - lo_) / g_.max_code;
    const float scale = round_param(g_.dtype, range > kLeastScale ? range : kLeastScale);
    return with_zero(scale, symmetric_ ? half_ : stored_zero((0.0f - lo_) / scale));
  }

  Params fit(const Params& seed) {
    best_ = constant();
    sums_ = evaluate(g_, best_);
    try_params(with_zero(seed.scale, seed.zero));
    if (symmetric_)
      scan_scales();
    else
      scan_ends();
    for (int r = 0; r < search_.final_refits; ++r) try_params(rescale(sums_, best_.zero));
    for (int r = 0; r < search_.neighbour_rounds; ++r) try_neighbours();
    return best_;
  }

 private:
  float stored_zero(float x) const { return float_zero_ ? round_param(g_.dtype, x) : clamp_code(x, g_.max_code); }
  // Of a group whose weights are all equal. It comes first, so that it stays where rounding hides that it is better.
  Params constant() const {
    const bool low = hi_ < std::fabs(lo_);
    const float edge = round_param(g_.dtype, low ? lo_ : hi_);
    return symmetric_ ? with_zero(edge, half_) : with_zero(std::fabs(edge), low ? 1.0f : 0.0f);
  }
  void scan_ends() {
    const float unit = (high_end_ - low_end_) / g_.max_code;
    for (const float a : search_.grid)
      for (const float c : search_.grid) {
        const float low = std::fma(a, unit, low_end_), high = std::fma(-c, unit, high_end_);
        const float scale = (high - low) / g_.max_code;
        refits(with_zero(scale, stored_zero((0.0f - low) / scale)));
      }
  }
  void scan_scales() {
    const float reach = largest_ / half_;
    for (const float sign : {1.0f, -1.0f})
      for (int k = 0; k < kSymmetricSteps; ++k) refits(with_zero(reach * (sign * symmetric_factor(search_, k)), half_));
  }
  void refits(const Params& start) {
    Sums sums = evaluate(g_, start);
    for (int r = 0; r < search_.grid_refits; ++r) {
      const Params p = rescale(sums, symmetric_ ? half_ : nearest_zero(sums));
      sums = evaluate(g_, p);
      keep(p, sums);
    }
  }
  // Of least squares with a free bias.
  float nearest_zero(const Sums& s) const {
    const float determinant = std::fma(-s.q, s.q, fixed_.h * s.qq);
    const float scale = std::fma(-s.q, fixed_.hw, fixed_.h * s.qw) / determinant;
    const float bias = std::fma(-scale, s.q, fixed_.hw) / fixed_.h;
    return stored_zero((0.0f - bias) / scale);
  }
  // Least squares of the scale for fixed codes and zero.
  Params rescale(const Sums& s, float zero) const {
    const float square = std::fma(zero, std::fma(zero, fixed_.h, s.q * -2.0f), s.qq);
    const float scale = round_param(g_.dtype, std::fma(-zero, fixed_.hw, s.qw) / square);
    return with_zero(symmetric_ || scale > 0.0f ? scale : 0.0f, zero);
  }
  void keep(const Params& p, const Sums& s) {
    if (!(s.score < sums_.score)) return;
    best_ = p;
    sums_ = s;
  }
  void try_params(const Params& p) { keep(p, evaluate(g_, p)); }
  void try_neighbours() {
    const float step = neighbour_step(g_.dtype);
    for (const float factor : {1.0f + step, 1.0f - step}) try_params(with_zero(round_param(g_.dtype, best_.scale * factor), best_.zero));
    if (symmetric_) return;
    for (const float sign : {1.0f, -1.0f})
      try_params(with_zero(best_.scale, stored_zero(float_zero_ ? best_.zero * (1.0f + sign * step) : best_.zero + sign)));
  }

  const Group& g_;
  const FitSearch& search_;
  bool symmetric_, float_zero_;
  float half_, lo_ = 0, hi_ = 0, largest_ = 0;  // lo, hi: of the weights and zero
  float low_end_ = 0, high_end_ = 0;            // of the grid
  FixedSums fixed_;
  Params best_;
  Sums sums_;
};

}  // namespace

Solution solve_integer_rtn(const Group& g, codec::Kind kind, int bits) { return stored_solution(g, IntegerSearch(g, kind, bits).rtn()); }

Solution solve_integer_fit(const Group& g, codec::Kind kind, int bits, const Params& seed) {
  return stored_solution(g, IntegerSearch(g, kind, bits).fit(seed));
}

}  // namespace jang::kernels::ref
