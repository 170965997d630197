// SPDX-License-Identifier: Apache-2.0
// tokenizer.json on any bytes. Input: the file, and behind zero bytes a text, tokenizer_config.json, special_tokens_map.json and
// added_tokens.json. Oracle: what is accepted encodes the text, if at all, to ids below vocab_size(); decoding gives UTF-8; the detokenizer
// gives the same, in complete characters, also behind a prompt; a guard without ranges changes nothing.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/utf8.h"
#include "json/json.h"
#include "text/tokenizer.h"
#include "text/tokenizer_config.h"

namespace {

void check_decoding(const jang::text::Tokenizer& tokenizer, const std::vector<std::int32_t>& ids) {
  for (const bool skip_special : {false, true}) {
    const std::string whole = tokenizer.decode(ids, skip_special);
    JANG_CHECK(jang::utf8::is_valid(whole));
    jang::text::Detokenizer detokenizer(tokenizer, skip_special);
    std::string joined;
    for (const std::int32_t id : ids) {
      const std::string part = detokenizer.push(id);
      JANG_CHECK(jang::utf8::is_valid(part));
      joined += part;
    }
    JANG_CHECK(joined + detokenizer.flush() == whole);
  }
}

void check_behind_prompts(const jang::text::Tokenizer& tokenizer, const std::vector<std::int32_t>& ids) {
  const std::string whole = tokenizer.decode(ids);
  for (const std::size_t cut : {std::size_t{0}, ids.size() / 3, ids.size() / 2, ids.size()}) {
    const std::span<const std::int32_t> prompt = std::span(ids).first(cut);
    jang::text::Detokenizer detokenizer(tokenizer);
    detokenizer.start_behind(prompt);
    std::string added;
    for (const std::int32_t id : std::span(ids).subspan(cut)) added += detokenizer.push(id);
    added += detokenizer.flush();
    JANG_CHECK(jang::utf8::is_valid(added));
    const std::string before = tokenizer.decode(prompt);
    if (whole.starts_with(before)) JANG_CHECK(before + added == whole);
  }
}

void check_guard(const jang::text::Tokenizer& tokenizer, const std::string& text) {
  const auto plain = tokenizer.encode(text, {.add_special_tokens = false, .parse_special = true});
  const auto unguarded = tokenizer.encode_guarded(text, {}, {});
  JANG_CHECK(plain.ok() == unguarded.ok() && (!plain.ok() || *plain == *unguarded));
  if (text.empty()) return;
  const auto guarded = tokenizer.encode_guarded(text, {{0, text.size()}}, tokenizer.added_tokens_in(text));
  if (!guarded.ok()) return;
  for (const std::int32_t id : *guarded) {
    JANG_CHECK(id >= 0 && id < tokenizer.vocab_size());
  }
  const std::size_t half = jang::utf8::length_at(text[0]);
  (void)tokenizer.encode_guarded(text, {{0, half}}, {});
}

// The next part of the input, which ends at a zero byte.
std::string_view next_part(std::string_view& rest) {
  const std::string_view part = rest.substr(0, rest.find('\0'));
  rest.remove_prefix(std::min(part.size() + 1, rest.size()));
  return part;
}

jang::json::Value next_json(std::string_view& rest) {
  const auto value = jang::json::parse(next_part(rest), "side");
  return value.ok() ? *value : jang::json::Value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view file = next_part(input);
  const std::string_view given = next_part(input);
  const jang::json::Value config = next_json(input), map = next_json(input), added = next_json(input);
  const auto tokenizer = jang::text::Tokenizer::parse(file, "input", jang::text::TokenizerConfig(config, map, added));
  if (!tokenizer.ok()) {
    JANG_CHECK(!tokenizer.status().message().empty());
    return 0;
  }
  const std::string text = given.empty() ? "a b\xc3\xa9 <s>cd\n" : jang::utf8::replace_invalid(given);
  for (const bool flag : {false, true}) {
    const auto ids = tokenizer->encode(text, {.add_special_tokens = flag, .parse_special = flag});
    if (!ids.ok()) continue;
    for (const std::int32_t id : *ids) JANG_CHECK(id >= 0 && id < tokenizer->vocab_size());
    check_decoding(*tokenizer, *ids);
    check_behind_prompts(*tokenizer, *ids);
  }
  check_guard(*tokenizer, text);
  std::vector<std::int32_t> all;
  for (std::int32_t id = -1; id <= tokenizer->vocab_size() && id < 300; ++id) all.push_back(id);
  check_decoding(*tokenizer, all);
  return 0;
}
