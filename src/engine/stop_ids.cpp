// SPDX-License-Identifier: Apache-2.0
// Reading end-of-text ids. See stop_ids.h.
#include "engine/stop_ids.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <limits>

namespace jang::engine {
namespace {

Status add_id(const json::Value& value, std::int64_t vocab, const char* where, StopTokens* out) {
  const double id = value.is_number() ? value.get<double>() : std::numeric_limits<double>::quiet_NaN();  // exact for every vocabulary
  const std::string shown = json::dump_for_python(value).substr(0, 40);
  if (std::trunc(id) != id) return {StatusCode::corrupt, fmt::format("{}: eos_token_id {} is not a token id", where, shown)};
  if (id >= 0 && id < static_cast<double>(vocab))
    out->add(static_cast<std::int32_t>(id));
  else
    out->warnings.push_back(fmt::format("{}: eos_token_id {} is ignored: the vocabulary has {} tokens", where, shown, vocab));
  return {};
}

Status add_ids(const json::Value& object, std::int64_t vocab, const char* where, StopTokens* out) {
  const json::Value* eos = json::find(object, "eos_token_id");
  if (eos == nullptr) return {};
  if (!eos->is_array()) return add_id(*eos, vocab, where, out);
  for (const json::Value& id : *eos) JANG_TRY(add_id(id, vocab, where, out));
  return {};
}

// A JSON file of the directory, or null when there is none.
Result<json::Value> read_optional(const std::string& path) {
  std::error_code ec;
  if (!std::filesystem::exists(path, ec)) return json::Value(nullptr);
  return json::parse_file(path, {.dialect = json::Dialect::python});
}

// eos_token: a string, or an object with "content".
void add_text(const json::Value& tokenizer_config, std::int64_t vocab, StopTokens* out) {
  const json::Value* eos = json::find(tokenizer_config, "eos_token");
  if (eos != nullptr && eos->is_object()) eos = json::find(*eos, "content");
  if (eos == nullptr || !eos->is_string()) return;
  const json::Value* added = json::find(tokenizer_config, "added_tokens_decoder");
  for (auto it = added != nullptr && added->is_object() ? added->begin() : json::Value::const_iterator();
       added != nullptr && added->is_object() && it != added->end(); ++it) {
    const json::Value* content = json::find(it.value(), "content");
    std::int32_t id = -1;
    const std::string& key = it.key();
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (content == nullptr || *content != *eos || error != std::errc() || end != key.data() + key.size()) continue;
    if (id >= 0 && id < vocab) {
      out->add(id);
      return;
    }
  }
  out->texts.push_back(eos->get<std::string>());
}

}  // namespace

void StopTokens::add(std::int32_t id) {
  const auto at = std::ranges::lower_bound(ids, id);
  if (at == ids.end() || *at != id) ids.insert(at, id);
}

Result<StopTokens> read_stop_tokens(const std::string& directory, const json::Value& config, std::int64_t vocab) {
  StopTokens out;
  JANG_ASSIGN(const json::Value generation, read_optional(directory + "/generation_config.json"));
  JANG_TRY(add_ids(generation, vocab, "generation_config.json", &out));
  JANG_TRY(add_ids(config, vocab, "config.json", &out));
  if (const json::Value* text = json::find(config, "text_config")) JANG_TRY(add_ids(*text, vocab, "config.json", &out));
  JANG_ASSIGN(const json::Value tokenizer, read_optional(directory + "/tokenizer_config.json"));
  add_text(tokenizer, vocab, &out);
  return out;
}

}  // namespace jang::engine
