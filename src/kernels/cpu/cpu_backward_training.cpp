// SPDX-License-Identifier: Apache-2.0
// A step of Adam for a packed matrix on the CPU, a row to a task: sums over a group are in order of columns.
#include <algorithm>
#include <cmath>

#include "codec/affine.h"
#include "kernels/cpu/cpu_backward.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/params.h"

namespace jang::kernels {
namespace {

// The values of one row.
struct TrainedRow {
  float *value = nullptr, *first = nullptr, *second = nullptr;
  TrainedRow(const Trained& t, std::int64_t row) {
    if (t.value.exists()) value = row_of(t.value, row), first = row_of(t.first, row), second = row_of(t.second, row);
  }
};

struct AdamStep {
  AdamCorrections corrections;
  void operator()(float gradient, float rate, const TrainedRow& row, std::int64_t i) const {
    row.first[i] = kAdamBeta1 * row.first[i] + (1 - kAdamBeta1) * gradient;
    row.second[i] = kAdamBeta2 * row.second[i] + (1 - kAdamBeta2) * gradient * gradient;
    row.value[i] += -rate * (row.first[i] * corrections.first) / (std::sqrt(row.second[i] * corrections.second) + kAdamEpsilon);
  }
};

// One row of a PackedStep.
class Row {
 public:
  Row(const PackedStep& step, std::int64_t row)
      : step_(step),
        max_(codec::max_code(step.bits)),
        size_(step.group_size),
        scales0_(row_of(step.scales0, row)),
        biases0_(row_of(step.biases0, row)),
        scales_(step.scales, row),
        biases_(step.biases, row),
        latents_(step.latents, row),
        codes_(step.codes.exists() ? row_of<std::uint8_t>(step.codes, row) : nullptr),
        gradient_(step.gradient.exists() ? row_of(step.gradient, row) : nullptr),
        weights_(row_of(step.weights, row)) {}

  void move(const AdamStep& adam) const {
    for (std::int64_t k = 0; k < step_.scales0.columns; ++k)
      if (scales0_[k] != 0) move_group(adam, k);
    std::fill_n(gradient_, step_.weights.columns, 0.0f);
  }
  void write() const {
    for (std::int64_t k = 0; k < step_.scales0.columns; ++k) {
      const float s = scale(k), b = round_param(step_.stored, biases0_[k] + std::abs(scales0_[k]) * biases_.value[k]);
      for (std::int64_t j = k * size_; j < (k + 1) * size_; ++j) weights_[j] = static_cast<float>(code(j)) * s + b;
    }
  }
  [[nodiscard]] bool moves() const { return gradient_ != nullptr; }

 private:
  [[nodiscard]] int code(std::int64_t j) const { return codes_ != nullptr ? codes_[j] : code_of_latent(latents_.value[j], max_); }
  [[nodiscard]] float scale(std::int64_t k) const { return round_param(step_.stored, scales0_[k] * (1 + scales_.value[k])); }

  void move_group(const AdamStep& adam, std::int64_t k) const {
    float along = 0, sum = 0;  // of the gradient with the codes, and alone
    for (std::int64_t j = k * size_; j < (k + 1) * size_; ++j) {
      along += gradient_[j] * static_cast<float>(code(j));
      sum += gradient_[j];
    }
    if (codes_ == nullptr) {
      const float s = scale(k), limit = static_cast<float>(max_) + 0.5f;
      for (std::int64_t j = k * size_; j < (k + 1) * size_; ++j) {
        const float latent = latents_.value[j];
        adam(latent >= -0.5f && latent <= limit ? s * gradient_[j] : 0.0f, step_.latent_rate, latents_, j);
      }
    }
    adam(scales0_[k] * along, step_.scale_rate, scales_, k);
    adam(std::abs(scales0_[k]) * sum, step_.bias_rate, biases_, k);
  }

  const PackedStep& step_;
  const int max_;
  const std::int64_t size_;
  const float *scales0_, *biases0_;
  TrainedRow scales_, biases_, latents_;
  const std::uint8_t* codes_;
  float *gradient_, *weights_;
};

}  // namespace

void CpuBackward::train(const PackedStep& step) {
  const AdamStep adam{AdamCorrections(step.t)};
  parallel_.run(step.weights.rows, 10 * step.weights.columns, [&](std::int64_t i) {
    const Row row(step, i);
    if (row.moves()) row.move(adam);
    row.write();
  });
}

}  // namespace jang::kernels
