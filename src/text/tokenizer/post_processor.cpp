// SPDX-License-Identifier: Apache-2.0
// Every component is a template: TemplateProcessing as written, BertProcessing and RobertaProcessing are "cls text sep".
#include "text/tokenizer/post_processor.h"

#include <limits>

#include <fmt/format.h>

#include "text/tokenizer/section.h"

namespace jang::text {
namespace {

constexpr std::size_t kMaxItems = 4096, kMaxSequences = 16;

Result<std::int32_t> to_id(const json::Value& value) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<std::int32_t>::max()))
    return Status(StatusCode::corrupt, "a token id is not an integer of 31 bits");
  return static_cast<std::int32_t>(value.get<std::uint64_t>());
}

// ["text", id] under `key`.
Result<std::int32_t> paired_id(const json::Value& component, std::string_view key) {
  const json::Value* pair = json::find(component, key);
  if (pair == nullptr || !pair->is_array() || pair->size() != 2 || !(*pair)[0].is_string())
    return Status(StatusCode::corrupt, fmt::format("{} must be a token and its id", key));
  return to_id((*pair)[1]);
}

Result<std::vector<std::int32_t>> special_ids(const json::Value& component, const std::string& name) {
  const json::Value* all = json::find(component, "special_tokens");
  const json::Value* token = all == nullptr ? nullptr : json::find(*all, name);
  const json::Value* list = token == nullptr ? nullptr : json::find(*token, "ids");
  if (list == nullptr || !list->is_array())
    return Status(StatusCode::corrupt, fmt::format("special_tokens has no ids of {}", json::quote(name, 64)));
  std::vector<std::int32_t> ids;
  for (const json::Value& value : *list) {
    JANG_ASSIGN(const std::int32_t id, to_id(value));
    ids.push_back(id);
  }
  return ids;
}

}  // namespace

Result<PostProcessor> PostProcessor::parse(const json::Value& section) {
  PostProcessor result;
  const auto add_template = [&](const json::Value& component) -> Status {
    const json::Value* pieces = json::find(component, "single");
    if (pieces == nullptr || !pieces->is_array()) return {StatusCode::corrupt, "single must be an array"};
    Template items;
    std::size_t n_sequences = 0;
    for (const json::Value& piece : *pieces) {
      const json::Value* sequence = json::find(piece, "Sequence");
      const json::Value* token = json::find(piece, "SpecialToken");
      if ((sequence == nullptr) == (token == nullptr))
        return {StatusCode::corrupt, "a piece of single is neither Sequence nor SpecialToken"};
      JANG_ASSIGN(const std::string id, json::get_string(sequence != nullptr ? *sequence : *token, "id", ""));
      if (sequence != nullptr) {
        if (id != "A") return {StatusCode::corrupt, fmt::format("single uses the sequence {}", json::quote(id, 16))};
        items.push_back({true, 0});
        ++n_sequences;
        continue;
      }
      JANG_ASSIGN(const std::vector<std::int32_t> ids, special_ids(component, id));
      for (const std::int32_t i : ids) items.push_back({false, i});
      if (items.size() > kMaxItems) return {StatusCode::unsupported, fmt::format("single has more than {} items", kMaxItems)};
    }
    if (n_sequences > kMaxSequences)
      return {StatusCode::unsupported, fmt::format("single repeats the text more than {} times", kMaxSequences)};
    result.template_ = std::move(items);
    return {};
  };
  JANG_TRY(for_each_component(section, "processors", [&](const json::Value& component, const std::string& type) -> Status {
    if (type == "ByteLevel") return {};
    if (result.template_) return {StatusCode::unsupported, "a second component that adds tokens"};
    if (type == "TemplateProcessing") return add_template(component);
    if (type != "BertProcessing" && type != "RobertaProcessing") return unknown_component(type);
    JANG_ASSIGN(const std::int32_t cls, paired_id(component, "cls"));
    JANG_ASSIGN(const std::int32_t sep, paired_id(component, "sep"));
    result.template_ = Template{{false, cls}, {true, 0}, {false, sep}};
    return {};
  }));
  return result;
}

void PostProcessor::apply(std::vector<std::int32_t>& ids, bool add_special_tokens) const {
  if (!template_) return;
  std::vector<std::int32_t> out;
  out.reserve(ids.size() + template_->size());
  for (const Item& item : *template_) {
    if (item.sequence)
      out.insert(out.end(), ids.begin(), ids.end());
    else if (add_special_tokens)
      out.push_back(item.id);
  }
  ids = std::move(out);
}

std::vector<std::int32_t> PostProcessor::added_ids() const {
  std::vector<std::int32_t> ids;
  if (template_)
    for (const Item& item : *template_)
      if (!item.sequence) ids.push_back(item.id);
  return ids;
}

}  // namespace jang::text
