// SPDX-License-Identifier: Apache-2.0
// Text of messages stays text.
#include "engine/chat_prompt.h"

#include <string>
#include <utility>

namespace jang::engine {

// Merges may cross the border between template and message, so the text is tokenized in one piece, as everyone does it.
Result<std::vector<std::int32_t>> chat_tokens(const text::Tokenizer& tokenizer, const text::ChatTemplate& chat_template,
                                              const json::Value& variables, const text::Moment& now) {
  JANG_ASSIGN(const std::vector<text::TemplateSegment> segments, chat_template.render_segments(variables, now));
  std::string rendered;
  std::vector<text::ByteRange> foreign;
  for (const text::TemplateSegment& s : segments) {
    if (s.from_input && !s.text.empty()) foreign.push_back({rendered.size(), rendered.size() + s.text.size()});
    rendered += s.text;
  }
  return tokenizer.encode_guarded(rendered, std::move(foreign), tokenizer.added_tokens_in(chat_template.source_for(variables)));
}

}  // namespace jang::engine
