// SPDX-License-Identifier: Apache-2.0
// The reader of a source's model card. Oracle: whatever the card says, what comes over is plain words, few and short, and a card of ours
// with a training told in it stays a card that reads the same.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "format/targets/model_card.h"

namespace {

void check_word(const std::string& word) {
  JANG_CHECK(word.size() <= 256);
  for (const char c : word) JANG_CHECK(c > ' ' && c < 0x7f && std::string_view("<>[]()|*`\"'\\&#{}").find(c) == std::string_view::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const jang::targets::SourceCard card = jang::targets::parse_card(text);
  for (const std::string* word :
       {&card.base_model, &card.base_model_relation, &card.license, &card.license_name, &card.license_link, &card.pipeline_tag})
    check_word(*word);
  for (const auto* list : {&card.language, &card.tags}) {
    JANG_CHECK(list->size() <= 64);
    for (const std::string& word : *list) check_word(word);
  }
  const std::string trained = jang::targets::with_training(text, 3, 0.5, 0.25);
  JANG_CHECK(jang::targets::parse_card(trained).license == card.license);
  return 0;
}
