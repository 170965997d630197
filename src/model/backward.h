// SPDX-License-Identifier: Apache-2.0
// Gradients of a scalar of the logits by every weight matrix, some windows of tokens at a time:
//
//   logits = forward(tokens)           the caller makes the gradient by the logits of them
//   backward(gradient, sink)           head, layers from the last to the first, embedding; the sink is handed one matrix after the other
//
// The forward keeps the hidden states before every layer; on the way back each layer runs once more. So memory is that of one layer's
// activations, the hidden states [layers, n, hidden], the logits, and kGradientValues of a weight's gradient.
//
// One layer alone, for a scalar of the hidden states behind it:
//
//   after = forward_layer(l, before)   backward_layer(gradient, sink)      memory is that of the layer's activations
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "kernels/device.h"
#include "model/decoder.h"

namespace jang::model {

// A gradient is handed over in parts of at most about this many values, whole rows each.
inline constexpr std::int64_t kGradientValues = std::int64_t{1} << 22;

// Rows [first_row, first_row + gradient.rows) of the gradient of one matrix.
struct WeightGradient {
  std::string_view module;
  int expert = -1;  // index of the routed expert, -1 for others
  std::int64_t first_row = 0;
  kernels::Tensor gradient;  // [rows, columns of the matrix], on the device, valid during the call
};

class GradientSink {
 public:
  virtual ~GradientSink() = default;
  // Every matrix of the model comes once, rows in order; of a mixture those experts that saw a token. A tied embedding comes once, last,
  // with both of its uses. What is returned ends the backward.
  [[nodiscard]] virtual Status weight(const WeightGradient& part) = 0;
  // Whether weight() is to be called at all: products that nobody takes are not computed.
  [[nodiscard]] virtual bool wants_weights() const { return true; }
  // Gradient by the hidden states behind a layer, [n, hidden] on the device, valid during the call; from the last layer to the first. What
  // is returned ends the backward.
  [[nodiscard]] virtual Status behind_layer(int /*layer*/, const kernels::Tensor& /*gradient*/) { return {}; }
};

class Gradients {
 public:
  // `decoder` outlives it; its own forwards may run in between, another backward of the same decoder may not. Errors: unsupported (a device
  // without gradients).
  [[nodiscard]] static Result<Gradients> create(Decoder& decoder);
  Gradients(Gradients&&) noexcept;
  Gradients& operator=(Gradients&&) noexcept;
  ~Gradients();

  // Logits [n, vocab] of texts of `length` tokens each, one after the other, every one from its first token; they lie on the device until
  // the next call. Errors: invalid_argument (no tokens, not whole texts, an id out of the vocabulary), out_of_memory.
  [[nodiscard]] Result<kernels::Tensor> forward(std::span<const std::int32_t> tokens, std::int64_t length);
  // `dlogits`: gradient of the scalar by the logits of the last forward, [n, vocab]; may be the tensor of the logits, and is overwritten.
  // Errors: those of the sink; out_of_memory. Precondition: a forward since the last backward.
  [[nodiscard]] Status backward(const kernels::Tensor& dlogits, GradientSink& sink);

  // Hidden states [n, hidden] behind a layer, of texts of `length` tokens each whose states before it are `before`, which stay as they are
  // until backward_layer. They lie on the device until the next call. Errors: invalid_argument (no tokens, not whole texts), out_of_memory.
  [[nodiscard]] Result<kernels::Tensor> forward_layer(int layer, const kernels::Tensor& before, std::int64_t length);
  // `gradient`: of the scalar by what the last forward_layer returned, [n, hidden]; overwritten. The sink is handed the matrices of the
  // layer. Errors: those of the sink; out_of_memory. Precondition: nothing ran on the decoder since that forward_layer.
  [[nodiscard]] Status backward_layer(const kernels::Tensor& gradient, GradientSink& sink);

 private:
  struct Impl;
  explicit Gradients(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace jang::model
