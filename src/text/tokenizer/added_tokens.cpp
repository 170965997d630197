// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer/added_tokens.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/utf8.h"
#include "json/json.h"
#include "text/unicode/properties.h"

namespace jang::text {
namespace {

bool ends_with_word(std::string_view text) {
  std::size_t at = utf8::previous(text, text.size());
  return unicode::is_word(utf8::next(text, at));
}

bool starts_with_word(std::string_view text) {
  std::size_t at = 0;
  return unicode::is_word(utf8::next(text, at));
}

bool is_blank(std::string_view text) {
  for (std::size_t at = 0; at < text.size();)
    if (!unicode::is_whitespace(utf8::next(text, at))) return false;
  return true;
}

bool refuses(const AddedTokens::Guard& guard, std::int32_t id, const ByteRange& match) {
  if (!guard.control->contains(id)) return false;
  // The ranges that the match meets: those between the first and the last lie inside it.
  const auto ends_before = [&](const ByteRange& r) { return r.end <= match.begin; };
  const auto begins_inside = [&](const ByteRange& r) { return r.begin < match.end; };
  const auto first = std::partition_point(guard.foreign.begin(), guard.foreign.end(), ends_before);
  const auto last = std::partition_point(first, guard.foreign.end(), begins_inside);
  return first != last && (first->begin <= match.begin || std::prev(last)->end >= match.end);
}

}  // namespace

Result<AddedTokens> AddedTokens::make(std::vector<AddedToken> tokens, const Vocabulary& vocabulary, const Normalizer& normalizer) {
  AddedTokens added;
  auto next_id = static_cast<std::int64_t>(vocabulary.count());
  for (AddedToken& token : tokens) {
    if (token.content.empty()) continue;
    std::optional<std::int32_t> id = added.id_of(token.content);
    if (id && added.rows_.at(*id).token == token) continue;
    if (!id) id = vocabulary.find(token.content);
    if (!id) {
      if (next_id > Vocabulary::kMaxId) return Status(StatusCode::corrupt, "too many added tokens");
      id = static_cast<std::int32_t>(next_id++);
    }
    Row row;
    row.normalized = token.content;
    if (token.normalized && !normalizer.empty()) {
      Stretch stretch;
      stretch.text = token.content;
      JANG_TRY(normalizer.apply(stretch));
      row.normalized = std::move(stretch.text);
    }
    added.ids_[token.content] = *id;
    if (token.special) added.special_.insert(token.content);
    added.size_ = std::max(added.size_, *id + 1);
    row.token = std::move(token);
    added.rows_[*id] = std::move(row);
  }
  JANG_TRY(added.build_tries());
  return added;
}

Status AddedTokens::build_tries() {
  std::vector<std::pair<std::string_view, std::int32_t>> raw, normalized;
  for (const auto& [id, row] : rows_) {
    if (row.normalized.empty())
      return {StatusCode::corrupt, fmt::format("added token {} is empty when normalized", json::quote(row.token.content, 64))};
    (row.token.normalized ? normalized : raw).emplace_back(row.normalized, id);
  }
  for (auto* texts : {&raw, &normalized}) {
    std::sort(texts->begin(), texts->end());
    const auto same = std::adjacent_find(texts->begin(), texts->end(), [](const auto& a, const auto& b) { return a.first == b.first; });
    if (same != texts->end())
      return {StatusCode::corrupt, fmt::format("two added tokens are both {} when normalized", json::quote(same->first, 64))};
    std::optional<Trie> trie = Trie::build(*texts);
    if (!trie) return {StatusCode::unsupported, fmt::format("the added tokens are longer than {} bytes together", Trie::kMaxBytes)};
    (texts == &raw ? raw_ : normalized_) = std::move(*trie);
  }
  has_raw_ = !raw.empty();
  has_normalized_ = !normalized.empty();
  return {};
}

void AddedTokens::find(std::string_view text, bool normalized, bool with_special, const Guard* guard, std::vector<Part>& parts) const {
  parts.clear();
  std::size_t done = 0;
  const Trie& trie = normalized ? normalized_ : raw_;
  const bool any = normalized ? has_normalized_ : has_raw_;
  for (std::size_t at = 0; any && at < text.size();) {
    std::size_t end = at;
    std::int32_t id = -1;
    if (trie.starts(text[at]))
      trie.matches(text, at, [&](std::size_t e, std::int32_t value) {
        if (guard != nullptr && refuses(*guard, value, {at, e})) return;
        end = e;
        id = value;
      });
    if (id < 0) {
      ++at;
      continue;
    }
    std::size_t begin = at, stop = end;
    at = end;
    const AddedToken& token = rows_.at(id).token;
    if (!with_special && special_.contains(token.content)) continue;
    if (token.single_word &&
        ((begin > 0 && ends_with_word(text.substr(0, begin))) || (stop < text.size() && starts_with_word(text.substr(stop)))))
      continue;
    while (token.lstrip && begin > done) {
      const std::size_t before = utf8::previous(text, begin);
      std::size_t next = before;
      if (!unicode::is_whitespace(utf8::next(text, next))) break;
      begin = before;
    }
    if (token.lstrip) begin = std::max(begin, done);
    while (token.rstrip && stop < text.size()) {
      std::size_t next = stop;
      if (!unicode::is_whitespace(utf8::next(text, next))) break;
      stop = next;
    }
    if (done < begin) parts.push_back({done, begin, -1});
    parts.push_back({begin, stop, id});
    done = stop;
  }
  if (done != text.size()) parts.push_back({done, text.size(), -1});
}

const AddedToken* AddedTokens::at(std::int32_t id) const {
  const auto found = rows_.find(id);
  return found == rows_.end() ? nullptr : &found->second.token;
}

std::optional<std::int32_t> AddedTokens::id_of(std::string_view content) const {
  const auto found = ids_.find(std::string(content));
  return found == ids_.end() ? std::nullopt : std::optional(found->second);
}

bool AddedTokens::is_special(std::int32_t id) const {
  const AddedToken* token = at(id);
  return token != nullptr && special_.contains(token->content);
}

std::unordered_set<std::int32_t> AddedTokens::special_ids() const {
  std::unordered_set<std::int32_t> ids;
  for (const auto& [id, row] : rows_)
    if (special_.contains(row.token.content)) ids.insert(id);
  return ids;
}

std::vector<std::int32_t> AddedTokens::occurring_in(std::string_view text) const {
  std::vector<std::int32_t> ids;
  const auto add = [&](std::int32_t id) {
    const std::string& content = rows_.at(id).token.content;
    if (!special_.contains(content) && !is_blank(content)) ids.push_back(id);
  };
  for (std::size_t at = 0; has_raw_ && at < text.size(); ++at)
    if (raw_.starts(text[at])) raw_.matches(text, at, [&](std::size_t, std::int32_t id) { add(id); });
  for (const auto& [id, row] : rows_)
    if (row.token.normalized && text.find(row.token.content) != std::string_view::npos) add(id);
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

std::string_view AddedTokens::decoded_text(std::int32_t id) const {
  const auto found = rows_.find(id);
  return found == rows_.end() ? std::string_view() : std::string_view(found->second.normalized);
}

}  // namespace jang::text
