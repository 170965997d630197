// SPDX-License-Identifier: Apache-2.0
// The encode ops one group at a time in plain C++: the definition every instruction set must equal bit for bit, and the fallback.
//
// min/max ("rtn", mx.quantize of MLX's CPU backend) of the weights w cast to the storage type, L = 2^bits - 1, everything in float:
//   scale = max((hi - lo)/L, 1e-7), negated unless |lo| > |hi|; edge = the end of larger magnitude; q0 = rint(edge/scale);
//   if q0 != 0: scale = edge/q0, bias = edge, else bias = 0; code = clamp(rint((w - bias)/scale), 0, L) with scale and bias unrounded.
// Kinds without biases: encode_integer.h.
// fit: see fit_search.h and docs/codecs.md. Codes are clamp(rint((w - bias) * (1/scale)), 0, L) with scale and bias as stored.
#include "kernels/ref/encode.h"

#include <algorithm>
#include <cmath>

#include "codec/affine.h"
#include "kernels/fit_search.h"
#include "kernels/params.h"
#include "kernels/ref/encode_group.h"
#include "kernels/ref/encode_integer.h"

namespace jang::kernels::ref {
namespace {

Solution solve_rtn(const Group& g) {
  float cast[codec::kMaxGroup];
  for (int j = 0; j < g.n; ++j) cast[j] = round_param(g.dtype, g.w[j]);
  const auto [lo, hi] = std::minmax_element(cast, cast + g.n);
  const bool low_edge = std::fabs(*lo) > std::fabs(*hi);
  float scale = std::max((*hi - *lo) / g.max_code, 1e-7f);
  if (!low_edge) scale = -scale;
  const float edge = low_edge ? *lo : *hi;
  const float q0 = std::nearbyint(edge / scale);
  float bias = 0;
  if (q0 != 0) {
    scale = edge / q0;
    bias = edge;
  }
  Solution s;
  for (int j = 0; j < g.n; ++j) s.codes[j] = clamp_code((cast[j] - bias) / scale, g.max_code);
  s.stored = {round_param(g.dtype, scale), round_param(g.dtype, bias)};
  s.error = exact_error(g, s);
  return s;
}

// The search for one group: holds the best stored (scale, bias) so far with its sums.
class Search {
 public:
  Search(const Group& g, float lo, float hi, Params seed) : g_(g), lo_(lo), hi_(hi), fixed_(g), best_(seed), sums_(evaluate(g, seed)) {}

  Params run(const FitSearch& search) {
    const float unit = (hi_ - lo_) / g_.max_code;
    for (const float a : search.grid) {
      for (const float c : search.grid) {
        const float low = std::fma(a, unit, lo_);
        const float high = std::fma(-c, unit, hi_);
        Sums sums = evaluate(g_, {(high - low) / g_.max_code, low});
        for (int r = 0; r < search.grid_refits; ++r) sums = try_params(refit(sums));
      }
    }
    for (int r = 0; r < search.final_refits; ++r) try_params(refit(sums_));
    for (int r = 0; r < search.neighbour_rounds; ++r) try_neighbours();
    return best_;
  }

 private:
  Params refit(const Sums& s) const {
    const float determinant = std::fma(-s.q, s.q, fixed_.h * s.qq);
    const float scale = std::fma(-s.q, fixed_.hw, fixed_.h * s.qw) / determinant;
    return with_bias(round_param(g_.dtype, scale), s);
  }
  Params with_bias(float scale, const Sums& s) const { return {scale, round_param(g_.dtype, std::fma(-scale, s.q, fixed_.hw) / fixed_.h)}; }
  Sums try_params(Params p) {
    const Sums s = evaluate(g_, p);
    if (s.score < sums_.score) {
      best_ = p;
      sums_ = s;
    }
    return s;
  }
  void try_neighbours() {
    const float step = neighbour_step(g_.dtype);
    for (const float factor : {1.0f + step, 1.0f - step}) try_params(with_bias(round_param(g_.dtype, best_.scale * factor), sums_));
    for (const float factor : {1.0f + step, 1.0f - step}) try_params({best_.scale, round_param(g_.dtype, best_.bias * factor)});
  }

  const Group& g_;
  float lo_, hi_;
  FixedSums fixed_;
  Params best_;
  Sums sums_;
};

Solution solve_fit(const Group& g, float lo, float hi, const Params& seed, int bits) {
  Solution s;
  s.stored = Search(g, lo, hi, seed).run(fit_search(bits));
  const float inverse = 1.0f / s.stored.scale;
  for (int j = 0; j < g.n; ++j) s.codes[j] = clamp_code((g.w[j] - s.stored.bias) * inverse, g.max_code);
  s.error = exact_error(g, s);
  return s;
}

void write_group(const EncodeArgs& a, const Solution& s, std::int64_t index) {
  std::uint8_t codes[codec::kMaxGroup];
  for (int j = 0; j < a.group_size; ++j) codes[j] = static_cast<std::uint8_t>(s.codes[j]);
  codec::pack({codes, static_cast<std::size_t>(a.group_size)}, a.bits, a.words + index * codec::words_per_row(a.group_size, a.bits));
  store_param(a.param_dtype, s.stored.scale, a.scales, index);
  if (a.kind == codec::Kind::affine) store_param(a.param_dtype, s.stored.bias, a.biases, index);
  if (a.kind == codec::Kind::integer_zero) a.zeros[index] = static_cast<std::uint8_t>(s.stored.zero);
  if (a.kind == codec::Kind::float_zero) store_param(a.param_dtype, s.stored.zero, a.float_zeros, index);
}

// The plain solution of a group and, where it is better, the fitted one.
Solution solve(const Group& g, const EncodeArgs& a, bool fit) {
  const bool affine = a.kind == codec::Kind::affine;
  const Solution rtn = affine ? solve_rtn(g) : solve_integer_rtn(g, a.kind, a.bits);
  if (!fit) return rtn;
  const auto [lo, hi] = std::minmax_element(g.w, g.w + g.n);
  const Solution found = affine ? solve_fit(g, *lo, *hi, rtn.stored, a.bits) : solve_integer_fit(g, a.kind, a.bits, rtn.stored);
  return found.error < rtn.error * kMustBeat ? found : rtn;
}

EncodeError encode(const EncodeArgs& a, bool fit) {
  EncodeError total;
  float h[codec::kMaxGroup];
  for (std::int64_t row = 0; row < a.n_rows; ++row) {
    double row_error = 0, row_norm = 0;
    for (std::int64_t column = 0; column < a.in; column += a.group_size) {
      if (a.importance) load_importance(a.importance + column, a.group_size, h);
      const Group g{a.weights + row * a.in + column, a.importance ? h : nullptr, a.group_size, static_cast<float>(codec::max_code(a.bits)),
                    a.param_dtype};
      const Solution s = solve(g, a, fit);
      row_error += s.error;
      double norm = 0;
      for (int j = 0; j < g.n; ++j)
        norm += (g.h ? static_cast<double>(g.h[j]) : 1.0) * (static_cast<double>(g.w[j]) * static_cast<double>(g.w[j]));
      row_norm += norm;
      if (a.words) write_group(a, s, (row * a.in + column) / a.group_size);
    }
    total.squared_error += row_error;
    total.squared_norm += row_norm;
  }
  return total;
}

}  // namespace

EncodeError encode_rtn(const EncodeArgs& a) { return encode(a, false); }
EncodeError encode_fit(const EncodeArgs& a) { return encode(a, true); }

}  // namespace jang::kernels::ref
