// SPDX-License-Identifier: Apache-2.0
// Chat templates: the Jinja programs that models ship to turn messages into their prompt format, run in a sandbox.
//
// Semantics are those of jinja2's ImmutableSandboxedEnvironment as transformers sets it up (trim_blocks, lstrip_blocks, loop controls,
// generation blocks, raise_exception, strftime_now, its tojson). Integers have 64 bits. What templates of models do not use is refused by
// name (jinja/library/refused.cpp): templates of templates, recursive loops, call blocks, printf-style formatting and the rarer filters.
// Templates are outside data: parse depth 64, call depth 64, 5,000,000 steps, one string 16 MiB, output 4 x (template + variables) + 1 MiB;
// nothing but the variables can be reached.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "jang/status.h"
#include "json/json.h"

namespace jang::text {

namespace jinja {
struct Template;
}  // namespace jinja

// A run of the rendered text. `from_input`: these bytes came out of the caller's variables (a message's content, a tool's description),
// through whatever the template did with them. A tokenizer that keeps user text from forging control tokens looks for special tokens in the
// concatenation of all segments, and takes a match that lies wholly inside one from_input segment for plain text.
struct TemplateSegment {
  std::string text;
  bool from_input = false;
};

// What strftime_now() prints. Python's datetime.now() is local time: give the offset of the zone, or 0 for UTC.
struct Moment {
  std::int64_t unix_seconds = 0;
  std::int64_t utc_offset_seconds = 0;
};

class ChatTemplate {
 public:
  static constexpr std::size_t kMaxSourceBytes = 1u << 20;
  static constexpr std::uint64_t kMaxSteps = 5'000'000;

  // Compiles a template. `what` names it in messages. Errors: corrupt (syntax, with line; not UTF-8), unsupported (construct),
  // invalid_argument (size, nesting).
  [[nodiscard]] static Result<ChatTemplate> parse(std::string source, std::string_view what);

  // The template of a model directory: chat_template.jinja, else chat_template.json, else chat_template of tokenizer_config.json (text, or
  // a list of named ones, of which "default" or the first is taken), with bos_token, eos_token and the other special tokens of
  // tokenizer_config.json as variables. Where there is one named "tool_use" as well (additional_chat_templates/tool_use.jinja, or in that
  // list), it is taken for variables with tools, as transformers does. Errors: not_found when the directory has none, those of reading and
  // parsing; a fault of the tool_use template shows in tools_status() and when it is used.
  [[nodiscard]] static Result<ChatTemplate> load(const std::string& model_directory);

  // variables: an object with messages, add_generation_prompt, tools, ...; `tools` and `documents` are None when absent, as transformers
  // has them, and a special token given here replaces the model's own. Errors: corrupt (the template raised an exception: its text; an
  // operation Python would refuse), unsupported (a filter), invalid_argument (a limit; variables is no object). Thread safe.
  [[nodiscard]] Result<std::string> render(const json::Value& variables, const Moment& now = {}) const;
  [[nodiscard]] Result<std::vector<TemplateSegment>> render_segments(const json::Value& variables, const Moment& now = {}) const;

  [[nodiscard]] const std::string& source() const { return main_.source; }
  // That of the template which is taken for these variables.
  [[nodiscard]] const std::string& source_for(const json::Value& variables) const;
  // The fault of the template for tools; ok where there is none.
  [[nodiscard]] Status tools_status() const { return for_tools_ ? for_tools_->status() : Status(); }
  // Variables of the model itself: trusted text, never marked as input. Names and values, e.g. bos_token.
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& special_tokens() const { return special_tokens_; }
  void set_special_token(std::string_view name, std::string_view text);
  // Lowers the number of steps a render may take, for callers that answer to a clock (a million steps are some tenths of a second). More
  // than kMaxSteps are never granted.
  void set_max_steps(std::uint64_t steps) { max_steps_ = std::min(steps, kMaxSteps); }
  // True when the template reads a variable of this name: arguments from a client may set only those.
  [[nodiscard]] bool reads(std::string_view name) const;

 private:
  struct Program {
    std::string source, what;
    std::shared_ptr<const jinja::Template> compiled;
  };
  ChatTemplate() = default;
  [[nodiscard]] static Result<Program> compile(std::string source, std::string_view what);
  [[nodiscard]] const Result<Program>* tools_program(const json::Value& variables) const;

  Program main_;
  std::optional<Result<Program>> for_tools_;
  std::uint64_t max_steps_ = kMaxSteps;
  std::vector<std::pair<std::string, std::string>> special_tokens_;
};

}  // namespace jang::text
