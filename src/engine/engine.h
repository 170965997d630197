// SPDX-License-Identifier: Apache-2.0
// A model ready to run: files mapped, weights bound in place. Where formats meet the graph. What an Engine says of its model never changes
// after load(); the tokenizer is read when it is first asked for, which shows in nothing but time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "arch/arch.h"
#include "base/log.h"
#include "base/thread_pool.h"
#include "jang/status.h"
#include "json/json.h"
#include "kernels/devices.h"
#include "model/decoder.h"
#include "text/tokenizer.h"

namespace jang::engine {

class Engine;

struct LoadOptions {
  int n_threads = 0;  // 0 = available_threads()
  kernels::Precision precision = kernels::Precision::fast;
  std::optional<kernels::KvType> kv_type{};  // default: f16 when fast, f32 when exact
  std::string backend{};                     // of kernels::open_device; "" = fastest available
  bool lenient = false;                      // format::OpenOptions
  Observer* observer = nullptr;              // is told what was odd about the files; may be null
  std::int64_t cache_bytes = 0;              // budget of keys and values of all sequences of a type; 0: as much as there is memory
  // Opens another device than the one `backend` names.
  std::function<Result<std::unique_ptr<kernels::Device>>(ThreadPool*)> device{};
  // An engine whose device and threads this one shares, so that ops may take tensors of both; it outlives this one.
  Engine* beside = nullptr;
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
  [[nodiscard]] virtual kernels::Device& device() = 0;
  [[nodiscard]] virtual ThreadPool& pool() = 0;
  [[nodiscard]] virtual bool is_bundle() const = 0;
  [[nodiscard]] virtual std::uint64_t file_bytes() const = 0;
  // Payload bits per weight, scales and biases counted.
  [[nodiscard]] virtual double stored_bits() const = 0;
  // Safe from several threads. Errors: those of Tokenizer::load, the same in every call.
  [[nodiscard]] virtual Result<const text::Tokenizer*> tokenizer() const = 0;
  // End-of-text ids, ascending: generation_config.json, config.json, tokenizer_config.json.
  [[nodiscard]] virtual const std::vector<std::int32_t>& stop_ids() const = 0;
  // `kv_type`: of its cache, where it is to be another than that of the engine.
  [[nodiscard]] virtual model::Sequence new_sequence(std::optional<kernels::KvType> kv_type = std::nullopt) const = 0;

  // One step: embeds and runs all layers for a batch, advances the sequences, and leaves the hidden states [n, hidden] of all tokens in
  // `hidden` (resized). logits() turns the rows that are wanted into logits. Errors: out_of_memory; invalid_argument; keys or values
  // that exceed an f16 cache, after which the sequences are of no more use: unsupported where the cache was left to the engine (see
  // wider_cache.h) and nothing else is, invalid_argument where f16 was asked for.
  [[nodiscard]] virtual Status forward(std::span<const model::BatchItem> batch, std::span<const std::int32_t> tokens,
                                       std::vector<float>* hidden) = 0;
  // Logits [n, vocab] of n rows of hidden states, fit for use. Errors: corrupt (check_logits.h).
  [[nodiscard]] virtual Status logits(const float* hidden, std::int64_t n, float* out) = 0;
  // The same for rows [n, hidden] on the device.
  [[nodiscard]] virtual Status logits(const kernels::Tensor& hidden, float* out) = 0;
  // A token for each of at.size() rows of hidden states, at temperature 1 over the whole vocabulary (kernels::Device::draw). Errors:
  // corrupt (check_logits.h).
  [[nodiscard]] virtual Status draw(const float* hidden, std::span<const double> at, std::int32_t* ids) = 0;
};

}  // namespace jang::engine
