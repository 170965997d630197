// SPDX-License-Identifier: Apache-2.0
// A bundle that learns from its source: every packed module is a TrainedModule, whose weights the bundle's decoder computes with. What is
// not packed (norms, matrices in 16 bits) rests.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "calibrate/text.h"
#include "distill/divergence.h"
#include "distill/stored_bytes.h"
#include "distill/trained_module.h"
#include "engine/engine.h"
#include "model/backward.h"

namespace jang::distill {

class Student final : private model::GradientSink {
 public:
  // `bundle` and `source` outlive the student and hold one model with exact arithmetic on one device (LoadOptions::beside); `bundle`
  // computes with the student's weights from now on. Codes of at most `code_bits` bits learn. Errors: invalid_argument (nothing is packed;
  // another model), unsupported (a device without gradients).
  [[nodiscard]] static Result<std::unique_ptr<Student>> create(engine::Engine& bundle, engine::Engine& source, int code_bits);

  // Adds the gradient of the mean of KL(source || student) over all positions of the windows, in nats, and returns that mean. Not finite:
  // the student has left the numbers, and the gradient is of no use. Errors: those of forwards and backwards; cancelled.
  [[nodiscard]] Result<double> learn(const calibrate::Windows& windows, const CancelFlag* cancel);
  // Adam's step number t, from 1, at `factor` times the rates. Errors: those of the device.
  [[nodiscard]] Status step(double factor, std::int64_t t);
  // Mean KL(source || student) per position, in nats; infinity where the student's predictions are no numbers.
  [[nodiscard]] Result<double> measure(const calibrate::Windows& windows);

  [[nodiscard]] Result<StoredModules> stored() const;
  // Of everything that training starts from, all matrices of the source too: equal fingerprints, equal runs.
  [[nodiscard]] std::uint64_t fingerprint() const;
  [[nodiscard]] std::vector<TrainedModule>& modules() { return modules_; }
  [[nodiscard]] kernels::Device& device() const { return bundle_.device(); }
  // Back to the bundle, without moments and gradient: also after a learn() that failed or found no number.
  [[nodiscard]] Status reset();
  // After state of modules was changed.
  [[nodiscard]] Status refresh();

 private:
  Student(engine::Engine& bundle, engine::Engine& source, model::Gradients gradients)
      : bundle_(bundle), source_(source), gradients_(std::move(gradients)), divergence_(source) {}
  Status weight(const model::WeightGradient& part) override;
  // As many windows of a batch as go through the models side by side, from window `first` on.
  [[nodiscard]] std::span<const std::int32_t> part_of(const calibrate::Windows& windows, std::int64_t first) const;
  Result<double> learn_part(std::span<const std::int32_t> tokens, std::int64_t length, double weight);
  Result<double> measure_part(std::span<const std::int32_t> tokens, std::int64_t length);

  engine::Engine& bundle_;
  engine::Engine& source_;
  model::Gradients gradients_;
  std::vector<TrainedModule> modules_;
  std::map<std::string, std::size_t, std::less<>> by_path_;
  Divergence divergence_;
  model::Array hidden_, logits_;
};

}  // namespace jang::distill
