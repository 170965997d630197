// SPDX-License-Identifier: Apache-2.0
// A model ready to run: files mapped, weights bound in place, tokenizer read on first use. Where formats meet the graph.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "arch/arch.h"
#include "base/thread_pool.h"
#include "jang/status.h"
#include "json/json.h"
#include "model/decoder.h"
#include "text/tokenizer.h"

namespace jang::engine {

struct LoadOptions {
  int n_threads = 0;  // 0 = available_threads()
  kernels::Precision precision = kernels::Precision::fast;
  std::optional<kernels::KvType> kv_type{};  // default: f16 when fast, f32 when exact
  std::string backend{};                     // "" = fastest available
};

class Engine {
 public:
  // Opens a source checkpoint or a bundle (directory already resolved). Strict: every expected tensor present and shaped as the config
  // says, none left over. Errors: those of opening, arch::describe and Decoder::create.
  [[nodiscard]] static Result<std::unique_ptr<Engine>> load(const std::string& directory, const LoadOptions& options);
  virtual ~Engine() = default;

  [[nodiscard]] virtual const std::string& directory() const = 0;
  [[nodiscard]] virtual const arch::Model& described() const = 0;
  [[nodiscard]] virtual model::Decoder& decoder() = 0;
  [[nodiscard]] virtual ThreadPool& pool() = 0;
  [[nodiscard]] virtual bool is_bundle() const = 0;
  [[nodiscard]] virtual std::uint64_t file_bytes() const = 0;
  // Payload bits per weight, scales and biases counted.
  [[nodiscard]] virtual double stored_bits() const = 0;
  [[nodiscard]] virtual Result<const text::Tokenizer*> tokenizer() = 0;
  // End-of-text ids, ascending: generation_config.json, config.json, tokenizer_config.json. A token that the last names by its text only is
  // added when tokenizer() is first called.
  [[nodiscard]] virtual const std::vector<std::int32_t>& stop_ids() const = 0;
  [[nodiscard]] virtual model::Sequence new_sequence() const = 0;

  // One step: embeds and runs all layers for a batch, advances the sequences, and leaves the hidden states [n, hidden] of all tokens in
  // `hidden` (resized). decoder().head() turns the rows that are wanted into logits.
  [[nodiscard]] virtual Status forward(std::span<const model::BatchItem> batch, std::span<const std::int32_t> tokens,
                                       std::vector<float>* hidden) = 0;
};

}  // namespace jang::engine
