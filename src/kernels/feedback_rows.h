// SPDX-License-Identifier: Apache-2.0
// Encoding with error feedback, for a block of rows. For a row w of the matrix, H the Gram matrix of its inputs (gram.h), d = q - w the
// error of the stored row and g = d H its gradient, the objective is d H d^T = d . g:
//
//   1. propagation (GPTQ, arXiv 2210.17323): groups in order; scale and bias of a group by the group fit with weights 1 / U_jj^2; then
//      column by column: code, e = (w_j - q_j) / U_jj, w_k -= e U_jk for all k > j
//   2. passes: all scales and biases of the row by least squares for fixed codes (a step from where they are, normal equations
//      A^T H A step = -A^T g in double), rounded to storage and kept when the objective falls; then coordinate descent over the codes, each
//      to rint(q - g_j / (H_jj scale)), g kept up to date
//
// Groups without a free bias keep the zero that their fit chose: their biases are -zero * scale, and the steps of scales are all unknowns,
// a step's row of A being code - zero.
//
// `Kernel` supplies the arithmetic on columns: the reference in plain code (ref/feedback.cpp), each instruction set its own
// (cpu/generic/feedback.h), with the same bits.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/check.h"
#include "codec/affine.h"
#include "kernels/encode.h"
#include "kernels/normal_equations.h"
#include "kernels/params.h"
#include "kernels/values.h"

namespace jang::kernels {

template <class Kernel>
class FeedbackRows {
 public:
  explicit FeedbackRows(const EncodeArgs& a)
      : a_(a),
        gram_(*a.gram),
        in_(a.in),
        group_(a.group_size),
        n_groups_(a.in / a.group_size),
        affine_(a.kind == codec::Kind::affine),
        max_code_(static_cast<float>(codec::max_code(a.bits))),
        constant_(affine_ ? 2 * n_groups_ : n_groups_),
        equations_(kRows, constant_) {
    JANG_CHECK(gram_.n == a.in);
  }

  EncodeError run() {
    prepare();
    EncodeError total;
    for (std::int64_t row = 0; row < a_.n_rows; row += kRows) {
      n_rows_ = std::min(kRows, a_.n_rows - row);
      weights_ = a_.weights + row * in_;
      propagate();
      gradient();
      for (int pass = 0; pass < kFeedbackPasses; ++pass) {
        refit();
        for (std::int64_t r = 0; r < n_rows_; ++r) descend(r);
      }
      for (std::int64_t r = 0; r < n_rows_; ++r) {
        total.squared_error += Kernel::dot(at(errors_, r), at(gradients_, r), in_);
        if (a_.words != nullptr) write(row + r, r);
      }
      total.squared_norm += norm();
    }
    return total;
  }

 private:
  static constexpr std::int64_t kRows = 16;
  using Floats = AlignedBuffer<float>;

  float* at(Floats& rows, std::int64_t r) { return rows.get() + r * in_; }
  float& scale(std::int64_t r, std::int64_t g) { return scales_[static_cast<std::size_t>(r * n_groups_ + g)]; }
  float& bias(std::int64_t r, std::int64_t g) { return biases_[static_cast<std::size_t>(r * n_groups_ + g)]; }
  float& zero(std::int64_t r, std::int64_t g) { return zeros_[static_cast<std::size_t>(r * n_groups_ + g)]; }
  // What a step of a group's scale adds to its columns, by row.
  float* steps(std::int64_t r) { return affine_ ? at(codes_, r) : at(steps_, r); }

  // What depends on the inputs only.
  void prepare() {
    for (Floats* f : {&work_, &codes_, &errors_, &gradients_, &next_errors_, &next_gradients_}) JANG_CHECK(f->reserve(kRows * in_));
    JANG_CHECK(block_.reserve(kRows * group_) && block_errors_.reserve(kRows * group_) && importance_.reserve(in_) &&
               inverse_diagonal_.reserve(in_) && group_sums_.reserve(n_groups_ * in_) && products_.reserve(kRows * in_));
    JANG_CHECK(affine_ || steps_.reserve(kRows * in_));
    scales_.resize(static_cast<std::size_t>(kRows * n_groups_));
    biases_ = zeros_ = next_scales_ = next_biases_ = scales_;
    for (std::int64_t g = 0; g < n_groups_; ++g) {
      double sum = 0;
      for (std::int64_t j = g * group_; j < (g + 1) * group_; ++j) {
        const float u = gram_.factor.get()[j * in_ + j];
        importance_.get()[j] = 1.0f / (u * u);
        sum += static_cast<double>(importance_.get()[j]);
      }
      const auto mean = static_cast<float>(sum / static_cast<double>(group_));
      for (std::int64_t j = g * group_; j < (g + 1) * group_; ++j) importance_.get()[j] = importance_.get()[j] / mean + 1e-3f;
    }
    std::fill_n(group_sums_.get(), n_groups_ * in_, 0.0f);
    for (std::int64_t j = 0; j < in_; ++j) {
      const float* h = gram_.matrix.get() + j * in_;
      inverse_diagonal_.get()[j] = 1.0f / h[j];
      float* sums = group_sums_.get() + j / group_ * in_;
      for (std::int64_t k = 0; k < in_; ++k) sums[k] += h[k];
    }
    for (std::int64_t k = 0; affine_ && k < n_groups_; ++k)
      for (std::int64_t l = 0; l < n_groups_; ++l) {
        double sum = 0;
        for (std::int64_t j = l * group_; j < (l + 1) * group_; ++j) sum += static_cast<double>(group_sums_.get()[k * in_ + j]);
        constant_.set(n_groups_ + k, n_groups_ + l, sum);
      }
  }

  // --- 1. propagation

  void propagate() {
    for (std::int64_t r = 0; r < n_rows_; ++r) std::copy_n(weights_ + r * in_, in_, at(work_, r));
    for (std::int64_t g = 0; g < n_groups_; ++g) {
      fit_group(g);
      for (std::int64_t r = 0; r < n_rows_; ++r) code_group(g, r);
      const std::int64_t begin = g * group_, end = begin + group_;
      if (end < in_)
        Kernel::subtract_product(block_errors_.get(), group_, n_rows_, group_, gram_.factor.get() + begin * in_, in_, end, in_, work_.get(),
                                 in_);
    }
  }

  // Scales, biases and zeros of group g of all rows, from the weights as they stand, which are left in block_.
  void fit_group(std::int64_t g) {
    for (std::int64_t r = 0; r < n_rows_; ++r) std::copy_n(at(work_, r) + g * group_, group_, block_.get() + r * group_);
    std::uint32_t words[kRows * codec::kMaxGroup / 32 * 8];
    std::byte scales[kRows * 4], biases[kRows * 4], float_zeros[kRows * 4];
    std::uint8_t zeros[kRows] = {};
    EncodeArgs fit = a_;
    fit.weights = block_.get();
    fit.importance = importance_.get() + g * group_;
    fit.n_rows = n_rows_;
    fit.in = group_;
    fit.words = words;
    fit.scales = scales;
    fit.biases = biases;
    fit.zeros = zeros;
    fit.float_zeros = float_zeros;
    Kernel::fit(fit);
    for (std::int64_t r = 0; r < n_rows_; ++r) {
      scale(r, g) = load_value(a_.param_dtype, scales, r);
      if (affine_) {
        bias(r, g) = load_value(a_.param_dtype, biases, r);
      } else {
        zero(r, g) = a_.kind == codec::Kind::symmetric    ? static_cast<float>(codec::symmetric_zero(a_.bits))
                     : a_.kind == codec::Kind::float_zero ? load_value(a_.param_dtype, float_zeros, r)
                                                          : static_cast<float>(zeros[r]);
        bias(r, g) = -(zero(r, g) * scale(r, g));
      }
    }
  }

  void code_group(std::int64_t g, std::int64_t r) {
    float* w = block_.get() + r * group_;
    float* e = block_errors_.get() + r * group_;
    float* q = at(codes_, r) + g * group_;
    const float s = scale(r, g), b = bias(r, g), inverse = 1.0f / s;
    for (std::int64_t j = 0; j < group_; ++j) {
      const std::int64_t column = g * group_ + j;
      const float* u = gram_.factor.get() + column * in_ + g * group_;
      const float x = (w[j] - b) * inverse, low = x > 0.0f ? x : 0.0f;
      q[j] = std::nearbyint(low < max_code_ ? low : max_code_);
      e[j] = (w[j] - std::fma(q[j], s, b)) / u[j];
      Kernel::subtract_scaled(e[j], u, j / 16 * 16, group_, w);  // entries before j are done with, and u is zero there
    }
  }

  // --- 2. passes

  // errors = decoded - weights, and what follows from them.
  void gradient() {
    for (std::int64_t r = 0; r < n_rows_; ++r) decode_errors(r, scales_, biases_, at(errors_, r));
    multiply(errors_, gradients_);
    for (std::int64_t r = 0; r < n_rows_; ++r) objective_[r] = Kernel::dot(at(errors_, r), at(gradients_, r), in_);
  }
  void decode_errors(std::int64_t r, const std::vector<float>& scales, const std::vector<float>& biases, float* out) {
    const float* q = at(codes_, r);
    for (std::int64_t j = 0; j < in_; ++j) {
      const auto g = static_cast<std::size_t>(r * n_groups_ + j / group_);
      out[j] = std::fma(q[j], scales[g], biases[g]) - weights_[r * in_ + j];
    }
  }
  // to = rows H
  void multiply(Floats& rows, Floats& to) {
    std::fill_n(to.get(), n_rows_ * in_, 0.0f);
    Kernel::add_product(rows.get(), in_, n_rows_, in_, gram_.matrix.get(), in_, 0, in_, to.get(), in_);
  }

  // Least squares of scales and biases of every row, kept where the objective falls.
  void refit() {
    set_equations();
    for (std::int64_t r = 0; r < n_rows_; ++r) solve(r);
    for (std::int64_t r = 0; r < n_rows_; ++r) decode_errors(r, next_scales_, next_biases_, at(next_errors_, r));
    multiply(next_errors_, next_gradients_);
    for (std::int64_t r = 0; r < n_rows_; ++r) {
      const double objective = Kernel::dot(at(next_errors_, r), at(next_gradients_, r), in_);
      if (!(objective < objective_[r])) continue;
      objective_[r] = objective;
      std::copy_n(at(next_errors_, r), in_, at(errors_, r));
      std::copy_n(at(next_gradients_, r), in_, at(gradients_, r));
      for (std::int64_t g = 0; g < n_groups_; ++g) {
        const auto i = static_cast<std::size_t>(r * n_groups_ + g);
        scales_[i] = next_scales_[i];
        biases_[i] = next_biases_[i];
      }
    }
  }

  // Unknowns: steps of all scales, then of all biases. Row k of A is the codes of group k (or ones), zero elsewhere.
  void set_equations() {
    for (std::int64_t r = 0; r < n_rows_; ++r) {
      equations_[static_cast<std::size_t>(r)].begin(constant_);
      for (std::int64_t j = 0; !affine_ && j < in_; ++j) at(steps_, r)[j] = at(codes_, r)[j] - zero(r, j / group_);
    }
    for (std::int64_t k = 0; k < n_groups_; ++k) {
      const std::int64_t begin = k * group_, end = begin + group_;
      std::fill_n(products_.get(), n_rows_ * in_, 0.0f);
      Kernel::add_product(steps(0) + begin, in_, n_rows_, group_, gram_.matrix.get() + begin * in_, in_, 0, end, products_.get(), in_);
      for (std::int64_t r = 0; r < n_rows_; ++r) set_group(r, k, at(products_, r));
    }
  }
  // What group k of row r adds; `products`: its steps times H, for columns up to its own.
  void set_group(std::int64_t r, std::int64_t k, const float* products) {
    NormalEquations& equations = equations_[static_cast<std::size_t>(r)];
    const float* q = steps(r);
    const float* g = at(gradients_, r);
    const std::int64_t begin = k * group_, end = begin + group_;
    for (std::int64_t l = 0; l <= k; ++l) equations.set(k, l, Kernel::dot(products + l * group_, q + l * group_, group_));
    equations.set_right(k, -Kernel::dot(g + begin, q + begin, group_));
    if (!affine_) return;
    for (std::int64_t l = 0; l < n_groups_; ++l)
      equations.set(n_groups_ + l, k, Kernel::dot(group_sums_.get() + l * in_ + begin, q + begin, group_));
    double sum = 0;
    for (std::int64_t j = begin; j < end; ++j) sum += static_cast<double>(g[j]);
    equations.set_right(n_groups_ + k, -sum);
  }

  void solve(std::int64_t r) {
    NormalEquations& equations = equations_[static_cast<std::size_t>(r)];
    const bool solved = equations.solve();
    for (std::int64_t k = 0; k < n_groups_; ++k) {
      const auto i = static_cast<std::size_t>(r * n_groups_ + k);
      next_scales_[i] = scales_[i];
      next_biases_[i] = biases_[i];
      if (!solved) continue;
      const float s = round_param(a_.param_dtype, scales_[i] + static_cast<float>(equations.solution(k)));
      const float b =
          affine_ ? round_param(a_.param_dtype, biases_[i] + static_cast<float>(equations.solution(n_groups_ + k))) : -(zeros_[i] * s);
      if (!std::isfinite(s) || !std::isfinite(b) || s == 0.0f) continue;
      if (a_.kind == codec::Kind::integer_zero && s < 0.0f) continue;
      next_scales_[i] = s;
      next_biases_[i] = b;
    }
  }

  // One round over the codes of row r, 16 columns looked at together: most of them stay.
  void descend(std::int64_t r) {
    float* q = at(codes_, r);
    float* d = at(errors_, r);
    float* g = at(gradients_, r);
    alignas(64) float proposed[16];
    for (std::int64_t begin = 0; begin < in_; begin += 16) {
      const float s = scale(r, begin / group_);
      if (s == 0.0f) continue;
      const float inverse = 1.0f / s;
      Kernel::propose(q + begin, g + begin, inverse_diagonal_.get() + begin, inverse, max_code_, proposed);
      for (std::int64_t j = 0; j < 16; ++j) {
        if (proposed[j] == q[begin + j]) continue;
        const float step = (proposed[j] - q[begin + j]) * s;
        q[begin + j] = proposed[j];
        d[begin + j] += step;
        Kernel::subtract_scaled(-step, gram_.matrix.get() + (begin + j) * in_, 0, in_, g);
        Kernel::propose(q + begin, g + begin, inverse_diagonal_.get() + begin, inverse, max_code_, proposed);
      }
    }
    objective_[r] = Kernel::dot(d, g, in_);
  }

  // --- results

  double norm() {
    for (std::int64_t r = 0; r < n_rows_; ++r) std::copy_n(weights_ + r * in_, in_, at(work_, r));
    multiply(work_, next_gradients_);
    double sum = 0;
    for (std::int64_t r = 0; r < n_rows_; ++r) sum += Kernel::dot(at(work_, r), at(next_gradients_, r), in_);
    return sum;
  }

  void write(std::int64_t row, std::int64_t r) {
    const std::int64_t words = codec::words_per_row(group_, a_.bits);
    std::uint8_t codes[codec::kMaxGroup];
    for (std::int64_t g = 0; g < n_groups_; ++g) {
      for (std::int64_t j = 0; j < group_; ++j) codes[j] = static_cast<std::uint8_t>(at(codes_, r)[g * group_ + j]);
      const std::int64_t index = row * n_groups_ + g;
      codec::pack({codes, static_cast<std::size_t>(group_)}, a_.bits, a_.words + index * words);
      store_param(a_.param_dtype, scale(r, g), a_.scales, index);
      if (affine_) store_param(a_.param_dtype, bias(r, g), a_.biases, index);
      if (a_.kind == codec::Kind::integer_zero) a_.zeros[index] = static_cast<std::uint8_t>(zero(r, g));
      if (a_.kind == codec::Kind::float_zero) store_param(a_.param_dtype, zero(r, g), a_.float_zeros, index);
    }
  }

  const EncodeArgs& a_;
  const Gram& gram_;
  std::int64_t in_, group_, n_groups_;
  bool affine_;
  float max_code_;
  const float* weights_ = nullptr;  // of the block of rows at work
  std::int64_t n_rows_ = 0;
  Floats work_, codes_, errors_, gradients_, next_errors_, next_gradients_;  // [kRows, in]
  Floats block_, block_errors_;                                              // [kRows, group]
  Floats importance_, inverse_diagonal_;                                     // [in]
  Floats group_sums_;                                                        // [n_groups, in]: sums of the rows of H of a group
  Floats products_;                                                          // [kRows, in]: steps of a group times H
  Floats steps_;                                                             // [kRows, in]: code - zero, of groups without a free bias
  std::vector<float> scales_, biases_, zeros_, next_scales_, next_biases_;   // [kRows, n_groups]
  double objective_[kRows] = {};
  NormalEquations constant_;  // what does not depend on the row
  std::vector<NormalEquations> equations_;
};

}  // namespace jang::kernels
