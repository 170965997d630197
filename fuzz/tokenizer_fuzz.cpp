// SPDX-License-Identifier: Apache-2.0
// tokenizer.json on any bytes. Input: the file, and after a zero byte a text. Oracle: what is accepted encodes the text, if at all, to ids
// below vocab_size(); decoding gives UTF-8; the detokenizer gives the same, in complete characters.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

namespace {

void check_decoding(const jang::text::Tokenizer& tokenizer, const std::vector<std::int32_t>& ids) {
  for (const bool skip_special : {false, true}) {
    const std::string whole = tokenizer.decode(ids, skip_special);
    JANG_CHECK(jang::text::unicode::valid(whole));
    jang::text::Detokenizer detokenizer(tokenizer, skip_special);
    std::string joined;
    for (const std::int32_t id : ids) {
      const std::string part = detokenizer.push(id);
      JANG_CHECK(jang::text::unicode::valid(part));
      joined += part;
    }
    JANG_CHECK(joined + detokenizer.flush() == whole);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view file = input.substr(0, input.find('\0'));
  const auto tokenizer = jang::text::Tokenizer::parse(file, "input");
  if (!tokenizer.ok()) {
    JANG_CHECK(!tokenizer.status().message().empty());
    return 0;
  }
  const std::string text = file.size() < size ? jang::text::unicode::replace_invalid(input.substr(file.size() + 1)) : "a b\xc3\xa9 <s>cd\n";
  for (const bool flag : {false, true}) {
    const auto ids = tokenizer->encode(text, {.add_special_tokens = flag, .parse_special = flag});
    if (!ids.ok()) continue;
    for (const std::int32_t id : *ids) JANG_CHECK(id >= 0 && id < tokenizer->vocab_size());
    check_decoding(*tokenizer, *ids);
  }
  std::vector<std::int32_t> all;
  for (std::int32_t id = -1; id <= tokenizer->vocab_size() && id < 300; ++id) all.push_back(id);
  check_decoding(*tokenizer, all);
  return 0;
}
