// SPDX-License-Identifier: Apache-2.0
// Chat templates: from messages to the prompt of a model, as the model's own template writes it. Templates are untrusted programs; they run
// in a sandbox with bounded steps and memory.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "jang/export.h"
#include "jang/status.h"
#include "jang/tokenizer.h"

namespace jang {

struct Message {
  std::string role;  // "system", "user", "assistant": from a list of yours, never from a stranger
  std::string content;
};

// What a template's clock shows. Python's is local time: give the offset of the zone, or 0 for UTC.
struct Moment {
  std::int64_t unix_seconds = 0;
  std::int64_t utc_offset_seconds = 0;
};

// A run of the rendered text. `from_input`: the bytes came out of the caller's variables.
struct TemplateSegment {
  std::string text;
  bool from_input = false;
};

// A handle: copies share one template. Thread safe.
class JANG_API ChatTemplate {
 public:
  // A model directory, or a file with the template itself. Errors: not_found (a model without one), corrupt (with line), unsupported.
  [[nodiscard]] static Result<ChatTemplate> open(const std::string& path);
  // `what` names it in messages.
  [[nodiscard]] static Result<ChatTemplate> parse(const std::string& source, std::string_view what);

  // The prompt that asks for the answer to `messages`. Errors: corrupt (the template refuses, with its words), invalid_argument (a limit).
  [[nodiscard]] Result<std::string> render(std::span<const Message> messages, const Moment& now = {}) const;
  // The same as token ids. Text of a message never becomes a control token, whatever it spells. Errors: those of render and encode.
  [[nodiscard]] Result<std::vector<std::int32_t>> tokens(const Tokenizer& tokenizer, std::span<const Message> messages,
                                                         const Moment& now = {}) const;
  // With variables of your own: a JSON object with `messages`, `add_generation_prompt`, `tools`, ... `what` names it in messages. Errors:
  // those of render; corrupt (not JSON).
  [[nodiscard]] Result<std::vector<TemplateSegment>> render_variables(std::string_view variables_json, std::string_view what,
                                                                      const Moment& now = {}) const;

 private:
  friend struct Access;
  struct Impl;
  explicit ChatTemplate(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

}  // namespace jang
