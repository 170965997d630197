// SPDX-License-Identifier: Apache-2.0
// A model that runs: a directory, converted or not, opened and mapped.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "jang/chat_template.h"
#include "jang/export.h"
#include "jang/observer.h"
#include "jang/status.h"
#include "jang/tokenizer.h"

namespace jang {

enum class Arithmetic : std::uint8_t {
  fast,   // 8 or 16 bit inputs where the processor has instructions for them
  exact,  // float32 throughout
};
// How keys and values are stored. automatic: f16 with fast arithmetic (bf16 for a model whose values need it), f32 with exact.
enum class CacheType : std::uint8_t { automatic, f32, f16, bf16, q8 };

struct ModelOptions {
  int threads = 0;  // 0: all that this process may use
  Arithmetic arithmetic = Arithmetic::fast;
  CacheType cache = CacheType::automatic;
  std::string backend = {};      // a name of machine_facts().backends; empty: the fastest available
  bool lenient = false;          // take the likeliest reading of files that contradict each other
  std::int64_t cache_bytes = 0;  // for keys and values of all sessions; 0: as much as there is memory
  Observer* observer = nullptr;  // is told while opening what is odd about the files; may be null
};

// A handle: copies share one model, which lives as long as any of them or of its sessions. Weights stay in the mapped files, which must not
// change. Whatever computes with one model must not overlap; all else is thread safe.
class JANG_API Model {
 public:
  // Opens a directory (see find_model for names). Reads headers and configuration; weights are read when they are first used. Errors:
  // not_found, corrupt (a tensor is missing, left over or misshapen), unsupported (the architecture, a format), io, out_of_memory.
  [[nodiscard]] static Result<Model> open(const std::string& directory, const ModelOptions& options = {});

  [[nodiscard]] const std::string& directory() const;
  [[nodiscard]] const std::string& model_type() const;  // of config.json
  [[nodiscard]] bool is_quantized() const;
  [[nodiscard]] std::uint64_t file_bytes() const;  // of the weight files
  [[nodiscard]] std::uint64_t parameters() const;  // weights, whatever they are stored in
  [[nodiscard]] double stored_bits() const;        // per weight, scales and biases counted
  [[nodiscard]] std::int64_t vocab_size() const;
  [[nodiscard]] std::int64_t context_length() const;  // tokens it was made for
  [[nodiscard]] int threads() const;
  // Ids that end a text, ascending.
  [[nodiscard]] const std::vector<std::int32_t>& stop_ids() const;

  // Errors: those of Tokenizer::open, the same in every call.
  [[nodiscard]] Result<Tokenizer> tokenizer() const;
  // Errors: those of ChatTemplate::open.
  [[nodiscard]] Result<ChatTemplate> chat_template() const;
  // Ids of a text to be continued. Where they would be none, the token that starts texts. Errors: those of encode.
  [[nodiscard]] Result<std::vector<std::int32_t>> prompt_tokens(std::string_view text) const;

 private:
  friend struct Access;
  struct Impl;
  explicit Model(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace jang
