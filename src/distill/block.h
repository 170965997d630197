// SPDX-License-Identifier: Apache-2.0
// One decoder layer of a bundle that learns to give what the source's layer gives: block-wise reconstruction (BRECQ, Li et al. 2021, arXiv
// 2102.05426). Norms and what else is not packed rest.
//
//   loss = 1/2 d^T G d per token, in nats      d: output of the layer less the source's;  G: calibrate/output_grams.h
//
// Memory of the device: the trained modules of the layer (trained_module.h), the layer's activations over kBlockTokens, G.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "distill/stored_bytes.h"
#include "engine/engine.h"
#include "model/backward.h"

namespace jang::distill {

// Tokens that go through the layer side by side, whole windows, one at least.
inline constexpr std::int64_t kBlockTokens = 2048;

class Block final : private model::GradientSink {
 public:
  // The layer of `bundle` as its files have it, whatever decoder() holds now. `gram`: G [hidden, hidden], symmetric. Both engines outlive
  // the block, share a device and have exact arithmetic. Until the block ends, `bundle` computes with its weights. Codes of at most
  // `code_bits` bits learn. Errors: unsupported (a device without gradients), out_of_memory.
  [[nodiscard]] static Result<std::unique_ptr<Block>> create(engine::Engine& bundle, engine::Engine& source, int layer,
                                                             std::span<const float> gram, int code_bits);
  // The bundle's own matrices are back in their places.
  ~Block() override;
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  // Whether anything in the layer is packed.
  [[nodiscard]] bool trains() const { return !modules_.empty(); }
  // Sum of the loss over the tokens of whole windows: hidden states before the layer and those wanted behind it, [n, hidden] on the host.
  // learn() also adds the gradient of that sum. Errors: those of the device.
  [[nodiscard]] Result<double> loss(std::span<const float> before, std::span<const float> wanted, std::int64_t length);
  [[nodiscard]] Result<double> learn(std::span<const float> before, std::span<const float> wanted, std::int64_t length);
  // Adam's step number t, from 1, at `factor` times the rates.
  [[nodiscard]] Status step(double factor, std::int64_t t);

  [[nodiscard]] Result<StoredModules> stored() const;
  [[nodiscard]] std::vector<TrainedModule>& modules() { return modules_; }
  // Back to the bundle, without moments and gradient.
  [[nodiscard]] Status reset();

 private:
  Block(engine::Engine& bundle, int layer, model::Gradients gradients) : bundle_(bundle), layer_(layer), gradients_(std::move(gradients)) {}
  Status weight(const model::WeightGradient& part) override;
  [[nodiscard]] Status set_gram(std::span<const float> gram);
  [[nodiscard]] Result<double> run(std::span<const float> before, std::span<const float> wanted, std::int64_t length, bool learns);
  [[nodiscard]] Result<double> run_part(std::span<const float> before, std::span<const float> wanted, std::int64_t length, bool learns);

  engine::Engine& bundle_;
  int layer_;
  model::Gradients gradients_;
  std::vector<TrainedModule> modules_;
  std::map<std::string, std::size_t, std::less<>> by_path_;
  std::map<std::string, std::vector<kernels::MatrixView>> own_;  // of the bundle, by module path
  model::Array gram_, before_, off_, gradient_;
  std::unique_ptr<kernels::Weight> gram_map_;
};

}  // namespace jang::distill
