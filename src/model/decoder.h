// SPDX-License-Identifier: Apache-2.0
// The decoder-only transformer: weights bound to a graph, run in pieces so that generation, evaluation and calibration share one code:
//
//   embed -> layers [begin, end) -> head           hidden states are float32 [n, hidden] on the device, one row per token
//
// Knows no file format and no machine: all it does is call ops of a kernels::Device. A Decoder is immutable during a forward, except by
// replace(); one forward at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "arch/arch.h"
#include "arch/decoder_config.h"
#include "jang/status.h"
#include "kernels/device.h"
#include "model/forward.h"
#include "model/weights.h"

namespace jang::model {

class Decoder {
 public:
  // `device` outlives the decoder. Errors: corrupt (a tensor missing, left over or of the wrong shape), unsupported (no kernel for a
  // tensor: names it), out_of_memory.
  [[nodiscard]] static Result<Decoder> create(const arch::Model& described, Weights weights, kernels::Device& device,
                                              kernels::Precision precision);
  // Of a config as arch::decoder_config makes them. Errors: also unsupported (a field of a layer's spec that its block does not compute).
  [[nodiscard]] static Result<Decoder> create(arch::DecoderConfig config, Weights weights, kernels::Device& device,
                                              kernels::Precision precision);
  Decoder(Decoder&&) noexcept;
  Decoder& operator=(Decoder&&) noexcept;
  ~Decoder();

  [[nodiscard]] const arch::DecoderConfig& config() const;
  [[nodiscard]] kernels::Device& device() const;
  // Module paths of all matrices (linear maps, experts, embedding, head), in graph order; a tied head appears once, as the embedding.
  [[nodiscard]] const std::vector<std::string>& modules() const;
  // Those of one layer.
  [[nodiscard]] std::vector<std::string> modules_of(int layer) const;
  // Views of a module now: one, or one per expert. Empty when there is no such module.
  [[nodiscard]] std::span<const kernels::MatrixView> matrices(std::string_view module) const;
  // Puts other storage of the same shapes in the place of a module's matrices. Errors: invalid_argument, unsupported.
  [[nodiscard]] Status replace(std::string_view module, std::span<const kernels::MatrixView> views);
  // The same by float32 values on the device, [matrices * rows, columns] of matrices() one after the other, which may change later and
  // outlive the decoder's use of them. matrices() stays as it was. Errors: invalid_argument, those of the device.
  [[nodiscard]] Status replace(std::string_view module, const kernels::Tensor& values);
  // Bytes of weights one token reads (experts: those active), for speeds.
  [[nodiscard]] std::int64_t bytes_per_token() const;

  // x[i] = embedding of tokens[i], scaled as the family does. x: [n, hidden]. Errors: invalid_argument (id out of the vocabulary).
  [[nodiscard]] Status embed(std::span<const std::int32_t> tokens, const kernels::Tensor& x);
  // Runs layers [begin, end) over x [sum of n_tokens, hidden] in place; caches of these layers are written, Sequence::advance is the
  // caller's, once after the last layer. All sequences of a batch are of one pool. A model whose layers do not stand alone
  // (DecoderConfig::layers_stand_alone) runs all of them, over the tokens of the last embed(). Errors: out_of_memory, unsupported (some
  // layers of such a model), invalid_argument (other tokens); nothing has run then.
  [[nodiscard]] Status layers(std::span<const BatchItem> batch, int begin, int end, const kernels::Tensor& x);
  // Final norm and output head: x [n, hidden], logits [n, vocab]. Errors: out_of_memory.
  [[nodiscard]] Status head(const kernels::Tensor& x, const kernels::Tensor& logits);

  void set_probe(Probe* probe);  // null: none

 private:
  friend class Gradients;  // backward.h
  struct Impl;
  explicit Decoder(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace jang::model
