// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "jang/chat_template.h"

#include <filesystem>

#include "api/access.h"
#include "base/file.h"
#include "engine/chat_prompt.h"
#include "json/json.h"

namespace jang {
namespace {

text::Moment moment_of(const Moment& now) { return {now.unix_seconds, now.utc_offset_seconds}; }

json::Value variables_of(std::span<const Message> messages) {
  json::Value list = json::Value::array();
  for (const Message& message : messages) list.push_back({{"role", message.role}, {"content", message.content}});
  return {{"messages", std::move(list)}, {"add_generation_prompt", true}};
}

}  // namespace

ChatTemplate::ChatTemplate(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

Result<ChatTemplate> ChatTemplate::open(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_regular_file(path, error)) {
    JANG_ASSIGN(const std::string source, read_text(path, text::ChatTemplate::kMaxSourceBytes));
    return parse(source, path);
  }
  JANG_ASSIGN(text::ChatTemplate program, text::ChatTemplate::load(path));
  return Access::wrap(std::move(program));
}

Result<ChatTemplate> ChatTemplate::parse(const std::string& source, std::string_view what) {
  JANG_ASSIGN(text::ChatTemplate program, text::ChatTemplate::parse(source, what));
  return Access::wrap(std::move(program));
}

Result<std::string> ChatTemplate::render(std::span<const Message> messages, const Moment& now) const {
  return impl_->program.render(variables_of(messages), moment_of(now));
}

Result<std::vector<std::int32_t>> ChatTemplate::tokens(const Tokenizer& tokenizer, std::span<const Message> messages,
                                                       const Moment& now) const {
  return engine::chat_tokens(Access::tokenizer(tokenizer), impl_->program, variables_of(messages), moment_of(now));
}

Result<std::vector<TemplateSegment>> ChatTemplate::render_variables(std::string_view variables_json, std::string_view what,
                                                                    const Moment& now) const {
  JANG_ASSIGN(const json::Value variables, json::parse(variables_json, what, {.dialect = json::Dialect::python}));
  JANG_ASSIGN(std::vector<text::TemplateSegment> rendered, impl_->program.render_segments(variables, moment_of(now)));
  std::vector<TemplateSegment> segments;
  for (text::TemplateSegment& segment : rendered) segments.push_back({std::move(segment.text), segment.from_input});
  return segments;
}

}  // namespace jang
