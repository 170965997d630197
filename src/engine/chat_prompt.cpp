// SPDX-License-Identifier: Apache-2.0
// Text of messages stays text.
#include "engine/chat_prompt.h"

#include <string>

namespace jang::engine {
namespace {

constexpr text::Tokenizer::EncodeOptions kTemplateText{.add_special_tokens = false, .parse_special = true};
constexpr text::Tokenizer::EncodeOptions kMessageText{.add_special_tokens = false, .parse_special = false};

Status append(const text::Tokenizer& tokenizer, const std::string& text, const text::Tokenizer::EncodeOptions& options,
              std::vector<std::int32_t>* ids) {
  if (text.empty()) return {};
  JANG_ASSIGN(const std::vector<std::int32_t> more, tokenizer.encode(text, options));
  ids->insert(ids->end(), more.begin(), more.end());
  return {};
}

// Whether the text spells a special token.
Result<bool> forges(const text::Tokenizer& tokenizer, const std::string& text) {
  JANG_ASSIGN(const std::vector<std::int32_t> as_template, tokenizer.encode(text, kTemplateText));
  JANG_ASSIGN(const std::vector<std::int32_t> as_message, tokenizer.encode(text, kMessageText));
  return as_template != as_message;
}

}  // namespace

Result<std::vector<std::int32_t>> chat_tokens(const text::Tokenizer& tokenizer, const text::ChatTemplate& chat_template,
                                              const json::Value& variables, const text::Moment& now) {
  JANG_ASSIGN(const std::vector<text::Segment> segments, chat_template.render_segments(variables, now));
  // Merges may cross the border between template and message, so honest text is tokenized in one piece, as everyone does it; only around a
  // message that spells a special token is the text cut.
  std::vector<std::int32_t> ids;
  std::string pending;
  for (const text::Segment& s : segments) {
    bool cut = false;
    if (s.from_input) {
      JANG_ASSIGN(cut, forges(tokenizer, s.text));
    }
    if (!cut) {
      pending += s.text;
      continue;
    }
    JANG_TRY(append(tokenizer, pending, kTemplateText, &ids));
    pending.clear();
    JANG_TRY(append(tokenizer, s.text, kMessageText, &ids));
  }
  JANG_TRY(append(tokenizer, pending, kTemplateText, &ids));
  return ids;
}

}  // namespace jang::engine
