// SPDX-License-Identifier: Apache-2.0
// ChatTemplate::load: where a model directory keeps its template. Newer checkpoints have chat_template.jinja, which wins; processors wrote
// chat_template.json; the classical place is tokenizer_config.json.
#include <array>
#include <optional>

#include <fmt/format.h>

#include "base/file.h"
#include "text/chat_template.h"
#include "text/tokenizer_config.h"

namespace jang::text {
namespace {

constexpr std::array<std::string_view, 7> kSpecialTokens = {"bos_token", "eos_token", "unk_token", "sep_token",
                                                            "pad_token", "cls_token", "mask_token"};

struct Source {
  std::string text, what;
};

// The template of this name in a list of them, nullptr when there is none.
const json::Value* named_template(const json::Value& list, std::string_view wanted) {
  for (const json::Value& entry : list)
    if (const json::Value* name = json::find(entry, "name"); name != nullptr && *name == wanted) return json::find(entry, "template");
  return nullptr;
}

// The template in the member chat_template: text, or [{"name": ..., "template": ...}].
Result<std::optional<std::string>> member_template(const json::Value& config, const std::string& path) {
  const json::Value* member = json::find(config, "chat_template");
  if (member == nullptr) return std::optional<std::string>();
  if (member->is_string()) return std::optional(member->get<std::string>());
  const Status wrong(StatusCode::corrupt, fmt::format("{}: chat_template is neither text nor a list of named templates", path));
  if (!member->is_array() || member->empty()) return wrong;
  const json::Value* chosen = nullptr;
  for (const json::Value& entry : *member) {
    const json::Value* name = json::find(entry, "name");
    if (chosen == nullptr || (name != nullptr && *name == "default")) chosen = &entry;
  }
  const json::Value* text = json::find(*chosen, "template");
  if (text == nullptr || !text->is_string()) return wrong;
  return std::optional(text->get<std::string>());
}

// not_found is no error here: nullopt.
Result<std::optional<json::Value>> read_optional(const std::string& path) {
  Result<json::Value> value = json::parse_file(path, {.dialect = json::Dialect::python});
  if (value.ok()) return std::optional(std::move(value).value());
  if (value.status().code() == StatusCode::not_found) return std::optional<json::Value>();
  return value.status();
}

Result<Source> find_source(const std::string& directory, const std::optional<json::Value>& config) {
  const std::string jinja_path = directory + "/chat_template.jinja";
  Result<std::string> text = read_text(jinja_path, ChatTemplate::kMaxSourceBytes);
  if (text.ok()) {
    JANG_TRY(check_no_lfs_pointer(*text, jinja_path));
    return Source{std::move(text).value(), jinja_path};
  }
  if (text.status().code() != StatusCode::not_found) return text.status();

  const std::string json_path = directory + "/chat_template.json";
  JANG_ASSIGN(const std::optional<json::Value> own, read_optional(json_path));
  if (own) {
    JANG_ASSIGN(std::optional<std::string> found, member_template(*own, json_path));
    if (found) return Source{std::move(*found), json_path};
  }
  const std::string config_path = directory + "/tokenizer_config.json";
  if (config) {
    JANG_ASSIGN(std::optional<std::string> found, member_template(*config, config_path));
    if (found) return Source{std::move(*found), config_path + ": chat_template"};
  }
  return Status(StatusCode::not_found,
                fmt::format("{}: no chat template (no chat_template.jinja, chat_template.json, or chat_template in tokenizer_config.json)",
                            directory));
}

// The template for variables with tools. A template in a file of its own, "default" or not, is preferred to all in tokenizer_config.json.
Result<std::optional<Source>> find_tools_source(const std::string& directory, const Source& main,
                                                const std::optional<json::Value>& config) {
  const std::string path = directory + "/additional_chat_templates/tool_use.jinja";
  Result<std::string> text = read_text(path, ChatTemplate::kMaxSourceBytes);
  if (text.ok()) {
    JANG_TRY(check_no_lfs_pointer(*text, path));
    return std::optional(Source{std::move(text).value(), path});
  }
  if (text.status().code() != StatusCode::not_found) return text.status();
  if (!config || !main.what.starts_with(directory + "/tokenizer_config.json")) return std::optional<Source>();
  const json::Value* member = json::find(*config, "chat_template");
  const json::Value* found = member != nullptr && member->is_array() ? named_template(*member, "tool_use") : nullptr;
  if (found == nullptr || !found->is_string()) return std::optional<Source>();
  return std::optional(Source{found->get<std::string>(), main.what + ": tool_use"});
}

// "<s>", or {"content": "<s>", ...} as added tokens are written.
std::optional<std::string> token_text(const json::Value& config, std::string_view name) {
  const json::Value* member = json::find(config, name);
  if (member == nullptr) return std::nullopt;
  if (member->is_object()) member = json::find(*member, "content");
  if (member == nullptr || !member->is_string()) return std::nullopt;
  return member->get<std::string>();
}

}  // namespace

Result<ChatTemplate> ChatTemplate::load(const std::string& model_directory) {
  JANG_ASSIGN(const std::optional<json::Value> config, read_optional(model_directory + "/tokenizer_config.json"));
  JANG_ASSIGN(Source source, find_source(model_directory, config));
  Result<std::optional<Source>> tools = find_tools_source(model_directory, source, config);
  JANG_ASSIGN(ChatTemplate made, parse(std::move(source.text), source.what));
  if (!tools.ok())
    made.for_tools_ = tools.status();
  else if (*tools)
    made.for_tools_ = compile(std::move((*tools)->text), (*tools)->what);
  JANG_ASSIGN(const std::optional<json::Value> map, read_optional(model_directory + "/special_tokens_map.json"));
  for (const std::string_view name : kSpecialTokens) {
    std::optional<std::string> text;
    if (config) text = token_text(*config, name);
    if (!text && map) text = token_text(*map, name);
    if (text) made.set_special_token(name, *text);
  }
  return made;
}

}  // namespace jang::text
