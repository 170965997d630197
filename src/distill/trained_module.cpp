// SPDX-License-Identifier: Apache-2.0
// The arithmetic of training: from latents to weights, from gradients of weights to steps.
#include "distill/trained_module.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <xxhash.h>

#include "base/checked.h"
#include "base/float16.h"
#include "codec/affine.h"
#include "kernels/host_ops.h"
#include "kernels/values.h"

namespace jang::distill {
namespace {

constexpr float kBeta1 = 0.9f, kBeta2 = 0.99f, kEpsilon = 1e-8f;
constexpr float kInside = 0.49f;  // of a rounding interval, half of which is 0.5
constexpr std::int64_t kTaskRows = 32;

float as_stored(DType dtype, float v) {
  if (dtype == DType::bf16) return bf16_to_float(float_to_bf16(v));
  if (dtype == DType::f16) return fp16_to_float(float_to_fp16(v));
  return v;
}

// Rounded half up; 0 where the latent is no number.
int code_of(float latent, int max) { return static_cast<int>(std::min(std::max(0.0f, latent + 0.5f), static_cast<float>(max))); }

// One step of Adam for one value; the moments are the gradient's.
struct AdamStep {
  float correction1, correction2;  // of the moments, which start at zero
  float operator()(float gradient, float rate, float* first, float* second) const {
    *first = kBeta1 * *first + (1 - kBeta1) * gradient;
    *second = kBeta2 * *second + (1 - kBeta2) * gradient * gradient;
    return -rate * (*first * correction1) / (std::sqrt(*second * correction2) + kEpsilon);
  }
};

}  // namespace

void Trained::resize(std::size_t n) {
  for (std::vector<float>* v : {&value, &first, &second}) v->assign(n, 0.0f);
}

template <typename F>
void TrainedModule::for_rows(const F& f) {
  const std::int64_t n = n_ * rows_;
  pool_.run(ceil_div(n, kTaskRows), [&](std::int64_t t, int) {
    for (std::int64_t r = t * kTaskRows; r < std::min(n, (t + 1) * kTaskRows); ++r) f(r);
  });
}

TrainedModule::TrainedModule(std::string path, std::span<const kernels::MatrixView> start, std::span<const kernels::MatrixView> source,
                             bool codes_learn, ThreadPool& pool)
    : path_(std::move(path)),
      format_(start.front().format),
      n_(static_cast<std::int64_t>(start.size())),
      rows_(start.front().n_rows),
      columns_(start.front().n_cols),
      groups_(columns_ / format_.group_size),
      pool_(pool) {
  JANG_CHECK(format_.packed() && source.size() == start.size());
  const auto values = static_cast<std::size_t>(n_ * rows_ * columns_), groups = static_cast<std::size_t>(n_ * rows_ * groups_);
  scale0_.resize(groups);
  bias0_.resize(groups);
  codes_.resize(values);
  if (codes_learn) latent0_.resize(values);
  weights_.resize(values);
  gradient_.assign(values, 0.0f);
  const int max = codec::max_code(format_.bits);
  for_rows([&](std::int64_t row) {
    const kernels::MatrixView& packed = start[static_cast<std::size_t>(row / rows_)];
    const kernels::MatrixView& dense = source[static_cast<std::size_t>(row / rows_)];
    const std::int64_t r = row % rows_;
    for (std::int64_t k = 0; k < groups_; ++k) {
      scale0_[static_cast<std::size_t>(row * groups_ + k)] = kernels::load_value(format_.param_dtype, packed.scales, r * groups_ + k);
      bias0_[static_cast<std::size_t>(row * groups_ + k)] = kernels::load_value(format_.param_dtype, packed.biases, r * groups_ + k);
    }
    std::vector<std::uint32_t> words(static_cast<std::size_t>(packed.row_bytes() / 4));
    std::memcpy(words.data(), packed.data + r * packed.row_bytes(), words.size() * 4);
    const std::span codes(codes_.data() + row * columns_, static_cast<std::size_t>(columns_));
    codec::unpack(words.data(), format_.bits, codes);
    if (!codes_learn) return;
    std::vector<float> wanted(codes.size());
    kernels::dequantize_row(dense, r, wanted.data());
    for (std::size_t j = 0; j < codes.size(); ++j) {
      const auto group = static_cast<std::size_t>(row * groups_) + j / static_cast<std::size_t>(format_.group_size);
      const auto code = static_cast<float>(codes[j]);
      float latent = scale0_[group] == 0 ? code : (wanted[j] - bias0_[group]) / scale0_[group];
      if (!std::isfinite(latent)) latent = code;
      if (code_of(latent, max) != codes[j]) latent = code + std::clamp(latent - code, -kInside, kInside);
      latent0_[static_cast<std::size_t>(row * columns_) + j] = std::clamp(latent, -0.5f, static_cast<float>(max) + 0.5f);
    }
  });
  if (codes_learn) codes_ = {};
  reset();
}

void TrainedModule::reset() {
  scales_.resize(scale0_.size());
  biases_.resize(bias0_.size());
  latents_.resize(latent0_.size());
  latents_.value = latent0_;
  forget_gradient();
  refresh();
}

std::uint64_t TrainedModule::fingerprint() const {
  std::uint64_t hash = XXH3_64bits(path_.data(), path_.size()) + static_cast<std::uint64_t>(format_.bits * 1000 + format_.group_size);
  for (const std::vector<float>* v : {&scale0_, &bias0_, &latent0_})
    hash = XXH3_64bits_withSeed(v->data(), v->size() * sizeof(float), hash);
  return XXH3_64bits_withSeed(codes_.data(), codes_.size(), hash);
}

void TrainedModule::forget_gradient() { std::ranges::fill(gradient_, 0.0f); }
void TrainedModule::refresh() {
  for_rows([&](std::int64_t row) { write_row(row); });
}

float TrainedModule::scale(std::size_t group) const { return as_stored(format_.param_dtype, scale0_[group] * (1 + scales_.value[group])); }
float TrainedModule::bias(std::size_t group) const {
  return as_stored(format_.param_dtype, bias0_[group] + std::abs(scale0_[group]) * biases_.value[group]);
}

void TrainedModule::write_row(std::int64_t row) {
  const int max = codec::max_code(format_.bits);
  for (std::int64_t k = 0; k < groups_; ++k) {
    const auto group = static_cast<std::size_t>(row * groups_ + k);
    const float s = scale(group), b = bias(group);
    const auto at = static_cast<std::size_t>(row * columns_ + k * format_.group_size);
    for (std::size_t j = at; j < at + static_cast<std::size_t>(format_.group_size); ++j) {
      const int code = codes_learn() ? code_of(latents_.value[j], max) : codes_[j];
      weights_[j] = static_cast<float>(code) * s + b;
    }
  }
}

std::vector<kernels::MatrixView> TrainedModule::weights() const {
  std::vector<kernels::MatrixView> views(static_cast<std::size_t>(n_));
  for (std::size_t i = 0; i < views.size(); ++i) {
    views[i].format.dtype = DType::f32;
    views[i].n_rows = rows_;
    views[i].n_cols = columns_;
    views[i].data = reinterpret_cast<const std::byte*>(weights_.data() + i * static_cast<std::size_t>(rows_ * columns_));
  }
  return views;
}

void TrainedModule::add_gradient(std::int64_t matrix, std::int64_t first_row, std::span<const float> gradient) {
  const auto n = static_cast<std::int64_t>(gradient.size()) / columns_;
  JANG_CHECK(n * columns_ == static_cast<std::int64_t>(gradient.size()) && first_row + n <= rows_ && matrix < n_);
  float* to = gradient_.data() + (matrix * rows_ + first_row) * columns_;
  pool_.run(ceil_div(n, kTaskRows), [&](std::int64_t t, int) {
    for (std::int64_t i = t * kTaskRows * columns_; i < std::min(n, (t + 1) * kTaskRows) * columns_; ++i)
      to[i] += gradient[static_cast<std::size_t>(i)];
  });
}

void TrainedModule::step_row(const Rates& rates, float correction1, float correction2, std::int64_t row) {
  const int max = codec::max_code(format_.bits);
  const AdamStep adam{correction1, correction2};
  const auto size = static_cast<std::size_t>(format_.group_size);
  for (std::int64_t k = 0; k < groups_; ++k) {
    const auto group = static_cast<std::size_t>(row * groups_ + k);
    if (scale0_[group] == 0) continue;
    const auto at = static_cast<std::size_t>(row * columns_ + k * format_.group_size);
    float along = 0, sum = 0;  // of the gradient with the codes, and alone
    for (std::size_t j = at; j < at + size; ++j) {
      const int code = codes_learn() ? code_of(latents_.value[j], max) : codes_[j];
      along += gradient_[j] * static_cast<float>(code);
      sum += gradient_[j];
    }
    if (codes_learn()) {
      const float s = scale(group), limit = static_cast<float>(max) + 0.5f;
      for (std::size_t j = at; j < at + size; ++j) {
        const float latent = latents_.value[j];
        const float gradient = latent >= -0.5f && latent <= limit ? s * gradient_[j] : 0.0f;
        latents_.value[j] += adam(gradient, rates.latents, &latents_.first[j], &latents_.second[j]);
      }
    }
    scales_.value[group] += adam(scale0_[group] * along, rates.scales, &scales_.first[group], &scales_.second[group]);
    biases_.value[group] += adam(std::abs(scale0_[group]) * sum, rates.biases, &biases_.first[group], &biases_.second[group]);
  }
  write_row(row);
}

void TrainedModule::step(const Rates& rates, std::int64_t t) {
  const float correction1 = 1 / (1 - std::pow(kBeta1, static_cast<float>(t))),
              correction2 = 1 / (1 - std::pow(kBeta2, static_cast<float>(t)));
  for_rows([&](std::int64_t row) {
    step_row(rates, correction1, correction2, row);
    std::fill_n(gradient_.data() + row * columns_, columns_, 0.0f);
  });
}

StoredModule TrainedModule::stored() const {
  StoredModule out;
  const int max = codec::max_code(format_.bits);
  out.codes = codes_;
  for (const float latent : latents_.value) out.codes.push_back(static_cast<std::uint8_t>(code_of(latent, max)));
  for (std::size_t group = 0; group < scale0_.size(); ++group) {
    out.scales.push_back(scale(group));
    out.biases.push_back(bias(group));
  }
  return out;
}

std::vector<std::vector<float>*> TrainedModule::state() {
  std::vector<std::vector<float>*> all;
  for (Trained* t : {&scales_, &biases_, &latents_})
    for (std::vector<float>* v : {&t->value, &t->first, &t->second}) all.push_back(v);
  return all;
}

}  // namespace jang::distill
