// SPDX-License-Identifier: Apache-2.0
// A conversation with a model: prompts go in, answers come out as they are generated, and what prompts share with what was there before is
// not computed again.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "jang/export.h"
#include "jang/generation.h"
#include "jang/model.h"
#include "jang/observer.h"
#include "jang/status.h"

namespace jang {

struct SessionOptions {
  SamplingOptions sampling = {};
  std::int64_t context_length = 0;  // tokens of prompt and answer; 0: what the model was made for
  std::int64_t prompt_chunk = 512;  // tokens of a prompt computed at a time: bounds memory
};

// What Session::cache_widened means, for people.
inline constexpr std::string_view kWiderCacheNote = "keys or values of this model exceed float16: its cache is bf16 instead";

// Errors: invalid_argument, naming the option and its range.
[[nodiscard]] JANG_API Status check_options(const SamplingOptions& options);

// Not thread safe, and its model computes for one session at a time. Keeps its model alive.
class JANG_API Session {
 public:
  // Errors: invalid_argument, naming the option and its range; those of Model::tokenizer.
  [[nodiscard]] static Result<Session> create(const Model& model, const SessionOptions& options = {});
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  // Makes the session hold these tokens and computes what it did not hold already. Errors: invalid_argument (empty, an id out of the
  // vocabulary, no room in the context), cancelled, corrupt (a model whose numbers broke down), out_of_memory.
  [[nodiscard]] Status set_prompt(std::span<const std::int32_t> tokens, const CancelFlag* cancel = nullptr);

  // Gives the text of an answer piece by piece: complete characters only. Returns whether to go on.
  using Receiver = std::function<bool(std::string_view piece)>;
  // Generates behind what the session holds, which grows by the answer. Stopped by `cancel`, it returns what there is. Errors: corrupt,
  // out_of_memory; invalid_argument (no prompt was set).
  [[nodiscard]] Result<Answer> generate(const Receiver& receiver, const AnswerLimits& limits = {}, const CancelFlag* cancel = nullptr);

  // Prompt and answers so far.
  [[nodiscard]] const std::vector<std::int32_t>& tokens() const;
  // Since the last set_prompt.
  [[nodiscard]] const Timings& timings() const;
  [[nodiscard]] std::int64_t context_length() const;
  // True once keys or values exceeded float16 and a bf16 cache has taken the place of the automatic one.
  [[nodiscard]] bool cache_widened() const;

 private:
  struct Impl;
  explicit Session(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace jang
