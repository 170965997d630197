// SPDX-License-Identifier: Apache-2.0
// PCRE2 behind regex.h. Text is known to be valid UTF-8 (PCRE2_NO_UTF_CHECK); a JIT stack that runs out falls back to the interpreter,
// whose memory is on the heap and limited.
#include "text/regex/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <new>

#include <fmt/format.h>

#include "base/utf8.h"
#include "json/json.h"

#include "text/regex/translate.h"

namespace jang::text {
namespace {

constexpr std::size_t kMaxPatternBytes = 1 << 16;
constexpr std::uint32_t kMatchLimit = 50'000'000;   // backtracking steps of one match
constexpr std::uint32_t kDepthLimit = 10'000'000;   // interpreter only
constexpr std::uint32_t kHeapLimitKiB = 256 << 10;  // interpreter only
constexpr std::size_t kJitStackMax = 1 << 20;
constexpr std::uint32_t kMaxNesting = 100;

std::string error_text(int code) {
  std::array<unsigned char, 256> buffer{};
  pcre2_get_error_message(code, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

}  // namespace

struct Regex::Code {
  explicit Code(pcre2_code* c) : code(c) {}
  ~Code() { pcre2_code_free(code); }
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;
  pcre2_code* code;
};

Result<Regex> Regex::compile(std::string_view pattern) {
  if (pattern.size() > kMaxPatternBytes)
    return Status(StatusCode::unsupported, fmt::format("a regex of {} bytes; at most {} are handled", pattern.size(), kMaxPatternBytes));
  JANG_ASSIGN(const std::string translated, translate_pattern(pattern));
  pcre2_compile_context* context = pcre2_compile_context_create(nullptr);
  if (context == nullptr) return Status(StatusCode::out_of_memory, "no memory to compile a regex");
  pcre2_set_parens_nest_limit(context, kMaxNesting);
  pcre2_set_newline(context, PCRE2_NEWLINE_LF);
  int error = 0;
  std::size_t offset = 0;
  // MULTILINE: ^ and $ are about lines in Ruby syntax. DOLLAR_ENDONLY has no effect with it.
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                                   PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error, &offset, context);
  pcre2_compile_context_free(context);
  if (code == nullptr)
    return Status(StatusCode::corrupt, fmt::format("the regex {} does not compile: {}", json::quote(pattern), error_text(error)));
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // without a JIT the interpreter does
  Regex regex;
  regex.code_ = std::make_shared<const Code>(code);
  return regex;
}

struct Regex::Searcher::State {
  std::shared_ptr<const Code> code;
  pcre2_match_data* data = nullptr;
  pcre2_match_context* context = nullptr;
  pcre2_jit_stack* stack = nullptr;
  std::string_view text;
  std::size_t at = 0;
  std::optional<std::size_t> last_end;
  ~State() {
    pcre2_jit_stack_free(stack);
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
  }
};

Regex::Searcher::Searcher(const Regex& regex, std::uint32_t match_limit) : state_(std::make_unique<State>()) {
  state_->code = regex.code_;
  state_->data = pcre2_match_data_create(1, nullptr);
  state_->context = pcre2_match_context_create(nullptr);
  if (state_->data == nullptr || state_->context == nullptr) return;  // next() reports it
  pcre2_set_match_limit(state_->context, match_limit == 0 ? kMatchLimit : match_limit);
  pcre2_set_depth_limit(state_->context, kDepthLimit);
  pcre2_set_heap_limit(state_->context, kHeapLimitKiB);
}

Regex::Searcher::~Searcher() = default;

void Regex::Searcher::start(std::string_view text) {
  state_->text = text.empty() ? std::string_view("") : text;
  state_->at = 0;
  state_->last_end.reset();
}

Result<std::optional<Match>> Regex::Searcher::next() {
  State& s = *state_;
  if (s.data == nullptr || s.context == nullptr) return Status(StatusCode::out_of_memory, "no memory to run a regex");
  const auto run = [&](std::uint32_t options) {
    return pcre2_match(s.code->code, reinterpret_cast<PCRE2_SPTR>(s.text.data()), s.text.size(), s.at, options, s.data, s.context);
  };
  while (s.at <= s.text.size()) {
    int found = run(PCRE2_NO_UTF_CHECK);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT && s.stack == nullptr) {
      s.stack = pcre2_jit_stack_create(32 << 10, kJitStackMax, nullptr);
      if (s.stack != nullptr) pcre2_jit_stack_assign(s.context, nullptr, s.stack);
      found = run(PCRE2_NO_UTF_CHECK);
    }
    if (found == PCRE2_ERROR_JIT_STACKLIMIT) found = run(PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT);
    if (found == PCRE2_ERROR_NOMATCH) break;
    if (found < 0) return Status(StatusCode::unsupported, fmt::format("a regex gave up at byte {}: {}", s.at, error_text(found)));
    const std::size_t* offsets = pcre2_get_ovector_pointer(s.data);
    const Match match{offsets[0], offsets[1]};
    if (match.begin > match.end || match.end < s.at) return Status(StatusCode::unsupported, "a regex matched backwards");
    if (match.begin == match.end && s.last_end == match.end) {
      s.at += s.at < s.text.size() ? utf8::length_at(s.text[s.at]) : 1;
      continue;
    }
    s.at = match.end;
    s.last_end = match.end;
    return std::optional<Match>(match);
  }
  s.at = s.text.size() + 1;
  return std::optional<Match>();
}

}  // namespace jang::text
