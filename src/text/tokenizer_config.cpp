// SPDX-License-Identifier: Apache-2.0
// Which tokens count. With added_tokens_decoder in tokenizer_config.json: those, by id. Without: added_tokens.json by id, and
// special_tokens_map.json replaces members of tokenizer_config.json. Then the named tokens (bos_token, ..) and the extra special ones, as
// far as no token of that text was added before.
#include "text/tokenizer_config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <unordered_set>

#include <fmt/format.h>

#include "base/file.h"
#include "text/tokenizer/models/vocabulary.h"

namespace jang::text {
namespace {

constexpr std::size_t kMaxConfigBytes = std::size_t{64} << 20;
constexpr std::array<std::string_view, 7> kNamedTokens = {"bos_token", "eos_token", "unk_token", "sep_token",
                                                          "pad_token", "cls_token", "mask_token"};

bool flag(const json::Value& object, std::string_view key, bool fallback) {
  const json::Value* value = json::find(object, key);
  return value != nullptr && value->is_boolean() ? value->get<bool>() : fallback;
}

// "<s>", or {"content": "<s>", ..}; nullopt for anything else. A plain text is a special token.
std::optional<AddedToken> read_token(const json::Value& value) {
  AddedToken token;
  const json::Value* content = value.is_object() ? json::find(value, "content") : &value;
  if (content == nullptr || !content->is_string()) return std::nullopt;
  token.content = content->get<std::string>();
  if (token.content.empty() || token.content.size() > Vocabulary::kMaxPieceBytes) return std::nullopt;
  token.special = flag(value, "special", !value.is_object());
  token.normalized = flag(value, "normalized", !token.special);
  token.lstrip = flag(value, "lstrip", false);
  token.rstrip = flag(value, "rstrip", false);
  token.single_word = flag(value, "single_word", false);
  return token;
}

std::optional<std::int64_t> read_id(const std::string& text) {
  std::int64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return id;
}

// The named special tokens and the extra ones, in the order in which they are added.
std::vector<AddedToken> special_tokens(const json::Value& config) {
  std::vector<AddedToken> tokens;
  const auto add = [&](const json::Value& value) {
    std::optional<AddedToken> token = read_token(value);
    if (!token) return;
    token->special = true;
    tokens.push_back(std::move(*token));
  };
  for (const std::string_view name : kNamedTokens)
    if (const json::Value* value = json::find(config, name)) add(*value);
  if (config.is_object())
    for (const auto& [key, value] : config.items())
      if (key.ends_with("_token") && std::ranges::find(kNamedTokens, key) == kNamedTokens.end()) add(value);
  const json::Value* extra = json::find(config, "extra_special_tokens");
  if (extra == nullptr || extra->empty()) extra = json::find(config, "additional_special_tokens");
  if (extra != nullptr && (extra->is_array() || extra->is_object()))
    for (const json::Value& value : *extra) add(value);
  return tokens;
}

// visit(component) for a component of a section and those inside its Sequence, whose members lie under `list`. JSON depth bounds it.
template <typename Visit>
void for_each_part(json::Value& section, std::string_view list, Visit visit) {
  visit(section);
  if (!section.is_object()) return;
  const auto items = section.find(std::string(list));
  if (items == section.end() || !items->is_array()) return;
  for (json::Value& item : *items) for_each_part(item, list, visit);
}

bool is_type(const json::Value& component, std::string_view type) {
  const json::Value* value = json::find(component, "type");
  return value != nullptr && value->is_string() && value->get_ref<const std::string&>() == type;
}

void drop_prepend(json::Value& section) {
  if (is_type(section, "Prepend")) section = nullptr;
  for_each_part(section, "normalizers", [](json::Value& part) {
    if (!part.is_object()) return;
    const auto items = part.find("normalizers");
    if (items == part.end() || !items->is_array()) return;
    json::Value kept = json::Value::array();
    for (json::Value& item : *items)
      if (!is_type(item, "Prepend")) kept.push_back(std::move(item));
    *items = std::move(kept);
  });
}

// JSON of one of the files; null when there is none.
Result<json::Value> read_file(const std::string& path) {
  const Result<std::string> text = read_text(path, kMaxConfigBytes);
  if (!text.ok() && text.status().code() == StatusCode::not_found) return json::Value(nullptr);
  JANG_TRY(text.status());
  return json::parse(*text, path, {.dialect = json::Dialect::python});
}

}  // namespace

TokenizerConfig::TokenizerConfig(const json::Value& config, const json::Value& special_tokens_map, const json::Value& added_tokens) {
  read_added(config, special_tokens_map, added_tokens);
  const json::Value* name = json::find(config, "tokenizer_class");
  std::string family = name != nullptr && name->is_string() ? name->get<std::string>() : "";
  if (family.ends_with("Fast")) family.resize(family.size() - 4);
  const json::Value* prefix = json::find(config, "add_prefix_space");
  const bool is_generic = family.empty() || family == "PreTrainedTokenizer" || family == "TokenizersBackend";
  if (!is_generic && prefix != nullptr && prefix->is_boolean()) prefix_space_ = prefix->get<bool>();
  is_llama_ = family == "LlamaTokenizer";
  legacy_ = flag(config, "legacy", false);
}

void TokenizerConfig::read_added(const json::Value& config, const json::Value& special_tokens_map, const json::Value& added_tokens) {
  json::Value named = config.is_object() ? config : json::Value::object();
  std::map<std::int64_t, AddedToken> by_id;
  const json::Value* decoder = json::find(config, "added_tokens_decoder");
  if (decoder != nullptr && decoder->is_object()) {
    for (const auto& [key, value] : decoder->items()) {
      const std::optional<std::int64_t> id = read_id(key);
      std::optional<AddedToken> token = read_token(value);
      if (id && token && value.is_object()) by_id.insert_or_assign(*id, std::move(*token));
    }
  } else if (special_tokens_map.is_object()) {
    for (const auto& [key, value] : special_tokens_map.items()) named[key] = value;
  }
  special_ = special_tokens(named);
  std::unordered_set<std::string_view> special;
  for (const AddedToken& token : special_) special.insert(token.content);
  if (decoder == nullptr && added_tokens.is_object()) {
    for (const auto& [text, id] : added_tokens.items()) {
      std::optional<AddedToken> token = read_token(json::Value(text));
      if (!token || !id.is_number_integer()) continue;
      token->special = special.contains(text);
      token->normalized = !token->special;
      by_id.insert_or_assign(id.get<std::int64_t>(), std::move(*token));
    }
  }
  for (auto& [id, token] : by_id) {
    token.special = token.special || special.contains(token.content);
    added_.push_back(std::move(token));
  }
}

void TokenizerConfig::append_to(std::vector<AddedToken>& tokens) const {
  tokens.insert(tokens.end(), added_.begin(), added_.end());
  std::unordered_set<std::string> known;
  for (const AddedToken& token : tokens) known.insert(token.content);
  for (const AddedToken& token : special_)
    if (known.insert(token.content).second) tokens.push_back(token);
}

Result<TokenizerConfig> TokenizerConfig::read(const std::string& directory) {
  JANG_ASSIGN(const json::Value config, read_file(directory + "/tokenizer_config.json"));
  JANG_ASSIGN(const json::Value map, read_file(directory + "/special_tokens_map.json"));
  JANG_ASSIGN(const json::Value added, read_file(directory + "/added_tokens.json"));
  return TokenizerConfig(config, map, added);
}

void TokenizerConfig::edit_section(std::string_view name, json::Value& section) const {
  if (!prefix_space_) return;
  const bool wanted = *prefix_space_;
  if (name == "normalizer" && !wanted) drop_prepend(section);
  if (name == "pre_tokenizer")
    for_each_part(section, "pretokenizers", [&](json::Value& part) {
      if (is_type(part, "ByteLevel") && !is_llama_) part["add_prefix_space"] = wanted;
      if (!is_type(part, "Metaspace")) return;
      const json::Value* scheme = json::find(part, "prepend_scheme");
      const bool never = scheme != nullptr ? *scheme == "never" : !flag(part, "add_prefix_space", true);
      if (!wanted)
        part["prepend_scheme"] = "never";
      else if (never)
        part["prepend_scheme"] = legacy_ ? "always" : "first";
    });
  if (name == "decoder" && !wanted)
    for_each_part(section, "decoders", [&](json::Value& part) {
      if (is_type(part, "Metaspace")) part["prepend_scheme"] = "never";
      if (is_type(part, "Strip") && json::find(part, "content") != nullptr && part["content"] == " ") part["start"] = 0;
    });
}

}  // namespace jang::text
