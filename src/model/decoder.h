// SPDX-License-Identifier: Apache-2.0
// The decoder-only transformer: weights bound to a graph, run in pieces so that generation, evaluation and calibration share one code:
//
//   embed -> layers [begin, end) -> head           hidden states are float32 [n, hidden], one row per token
//
// Knows no file format and no instruction set. A Decoder is immutable during a forward, except by replace(); one forward at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "arch/arch.h"
#include "arch/decoder_config.h"
#include "base/thread_pool.h"
#include "jang/status.h"
#include "kernels/ops.h"
#include "model/sequence.h"
#include "model/weights.h"

namespace jang::model {

struct Options {
  kernels::Precision precision = kernels::Precision::fast;
  std::string backend;         // "" = fastest available
  ThreadPool* pool = nullptr;  // outlives the decoder; null: the calling thread only
};

// A run of consecutive tokens of one sequence; a batch has each sequence at most once. Rows of the hidden states follow the items in order.
struct BatchItem {
  Sequence* sequence = nullptr;
  std::int64_t n_tokens = 0;
};

// Sees the input of every linear map before it is applied, from the calling thread, in a fixed order.
class Probe {
 public:
  virtual ~Probe() = default;
  // x: [n, n_cols] contiguous. `modules`: all maps fed by this x at once ("...q_proj", "...k_proj", "...v_proj"). expert: index of the
  // routed expert, -1 for others.
  virtual void input(std::span<const std::string_view> modules, int expert, const float* x, std::int64_t n, std::int64_t n_cols) = 0;
};

class Decoder {
 public:
  // Errors: corrupt (a tensor missing, left over or of the wrong shape), unsupported (no kernel for a tensor: names it).
  [[nodiscard]] static Result<Decoder> create(const arch::Model& described, Weights weights, const Options& options);
  Decoder(Decoder&&) noexcept;
  Decoder& operator=(Decoder&&) noexcept;
  ~Decoder();

  [[nodiscard]] const arch::DecoderConfig& config() const;
  // Module paths of all matrices (linear maps, experts, embedding, head), in graph order; a tied head appears once, as the embedding.
  [[nodiscard]] const std::vector<std::string>& modules() const;
  // Views of a module now: one, or one per expert. Empty when there is no such module.
  [[nodiscard]] std::span<const kernels::MatrixView> matrices(std::string_view module) const;
  // Puts other storage of the same shapes in the place of a module's matrices. Errors: invalid_argument, unsupported.
  [[nodiscard]] Status replace(std::string_view module, std::span<const kernels::MatrixView> views);
  // Bytes of weights one token reads (experts: those active), for speeds.
  [[nodiscard]] std::int64_t bytes_per_token() const;

  // x[i] = embedding of tokens[i], scaled as the family does. Errors: invalid_argument (id out of the vocabulary).
  [[nodiscard]] Status embed(std::span<const std::int32_t> tokens, float* x) const;
  // Runs layers [begin, end) over x [sum of n_tokens, hidden] in place; caches of these layers are written, Sequence::advance is the
  // caller's, once after the last layer. Errors: out_of_memory.
  [[nodiscard]] Status layers(std::span<const BatchItem> batch, int begin, int end, float* x);
  // Final norm and output head of n rows: logits [n, vocab].
  void head(const float* x, std::int64_t n, float* logits) const;

  void set_probe(Probe* probe);  // null: none

 private:
  struct Impl;
  explicit Decoder(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace jang::model
