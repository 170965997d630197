// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer/charsmap.h"

#include <algorithm>
#include <cstring>

#include <utf8proc.h>

#include "base/utf8.h"

namespace jang::text {
namespace {

// Strict base64 with padding; nullopt when it is not.
std::optional<std::string> decode_base64(std::string_view text) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::int8_t value[256];
  std::memset(value, -1, sizeof(value));
  for (std::size_t i = 0; i < kDigits.size(); ++i) value[static_cast<unsigned char>(kDigits[i])] = static_cast<std::int8_t>(i);
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && text.ends_with('=')) {
    text.remove_suffix(1);
    ++padding;
  }
  std::string out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  int n_bits = 0;
  for (const char c : text) {
    const int v = value[static_cast<unsigned char>(c)];
    if (v < 0) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(v);
    if ((n_bits += 6) >= 8) out += static_cast<char>(bits >> (n_bits -= 8) & 0xffu);
  }
  return out;
}

bool is_leaf(std::uint32_t unit) { return (unit >> 8 & 1u) != 0; }
std::uint32_t label(std::uint32_t unit) { return unit & (0x80000000u | 0xffu); }
std::uint32_t offset(std::uint32_t unit) { return (unit >> 10) << ((unit & 0x200u) >> 6); }

// End of the extended grapheme cluster that starts at `at`.
std::size_t cluster_end(std::string_view text, std::size_t at) {
  utf8proc_int32_t state = 0;
  auto previous = static_cast<utf8proc_int32_t>(utf8::next(text, at));
  while (at < text.size()) {
    std::size_t end = at;
    const auto c = static_cast<utf8proc_int32_t>(utf8::next(text, end));
    if (utf8proc_grapheme_break_stateful(previous, c, &state)) break;
    previous = c;
    at = end;
  }
  return at;
}

}  // namespace

Result<Charsmap> Charsmap::parse(std::string_view base64) {
  Charsmap map;
  if (base64.empty()) return map;
  const std::optional<std::string> bytes = decode_base64(base64);
  if (!bytes || bytes->size() < 4) return Status(StatusCode::corrupt, "precompiled_charsmap is not base64");
  std::uint32_t trie_bytes = 0;
  std::memcpy(&trie_bytes, bytes->data(), 4);
  if (trie_bytes % 4 != 0 || trie_bytes > bytes->size() - 4)
    return Status(StatusCode::corrupt, "precompiled_charsmap ends inside its trie");
  map.trie_.resize(trie_bytes / 4);
  if (trie_bytes > 0) std::memcpy(map.trie_.data(), bytes->data() + 4, trie_bytes);
  map.replacements_ = bytes->substr(4 + trie_bytes);
  if (!utf8::is_valid(map.replacements_)) return Status(StatusCode::corrupt, "precompiled_charsmap has replacements that are not UTF-8");
  return map;
}

// What the shortest beginning of `text` that is in the trie maps to.
std::optional<std::string_view> Charsmap::look_up(std::string_view text) const {
  if (trie_.empty()) return std::nullopt;
  std::uint32_t node = offset(trie_[0]);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == 0) return std::nullopt;
    node ^= byte;
    if (node >= trie_.size() || label(trie_[node]) != byte) return std::nullopt;
    const std::uint32_t unit = trie_[node];
    node ^= offset(unit);
    if (!is_leaf(unit)) continue;
    if (node >= trie_.size()) return std::nullopt;
    const std::size_t begin = trie_[node] & 0x7fffffffu;
    if (begin > replacements_.size()) return std::nullopt;
    const std::size_t end = std::min(replacements_.find('\0', begin), replacements_.size());
    const std::string_view found = std::string_view(replacements_).substr(begin, end - begin);
    // An offset into the middle of a character would break the text.
    return found.empty() || (static_cast<unsigned char>(found[0]) & 0xc0u) != 0x80u ? std::optional(found) : std::nullopt;
  }
  return std::nullopt;
}

std::string Charsmap::apply(std::string_view text) const {
  constexpr std::size_t kLongCluster = 6;  // bytes
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = cluster_end(text, at);
    if (end - at < kLongCluster) {
      if (const auto replacement = look_up(text.substr(at, end - at))) {
        out += *replacement;
        at = end;
        continue;
      }
    }
    while (at < end) {
      const std::string_view character = text.substr(at, utf8::length_at(text[at]));
      out += look_up(character).value_or(character);
      at += character.size();
    }
  }
  return out;
}

}  // namespace jang::text
