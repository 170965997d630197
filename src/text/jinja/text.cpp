// SPDX-License-Identifier: Apache-2.0
// UTF-8 and the marks of text.h.
#include "text/jinja/text.h"

#include <algorithm>
#include <cstring>

namespace jang::text::jinja {
namespace {

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0u) == 0x80u; }

std::size_t count_codepoints(std::string_view bytes) {
  return static_cast<std::size_t>(std::count_if(bytes.begin(), bytes.end(), [](char c) { return !is_continuation(c); }));
}

char32_t decode_at(std::string_view bytes, std::size_t at, std::size_t length) {
  const auto byte = [&](std::size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(bytes[at + i])); };
  switch (length) {
    case 1: return byte(0);
    case 2: return (byte(0) & 0x1fu) << 6 | (byte(1) & 0x3fu);
    case 3: return (byte(0) & 0x0fu) << 12 | (byte(1) & 0x3fu) << 6 | (byte(2) & 0x3fu);
    default: return (byte(0) & 0x07u) << 18 | (byte(1) & 0x3fu) << 12 | (byte(2) & 0x3fu) << 6 | (byte(3) & 0x3fu);
  }
}

// Length of the valid sequence at `at`, or 0.
std::size_t valid_sequence(std::string_view bytes, std::size_t at) {
  const auto first = static_cast<unsigned char>(bytes[at]);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || at + length > bytes.size()) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if (!is_continuation(bytes[at + i])) return 0;
  const char32_t c = decode_at(bytes, at, length);
  const bool overlong = (length == 3 && c < 0x800) || (length == 4 && c < 0x10000);
  return overlong || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? 0 : length;
}

}  // namespace

std::size_t sequence_length(char first) {
  const auto c = static_cast<unsigned char>(first);
  return c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
}

std::u32string decode(std::string_view utf8) {
  std::u32string out;
  for (std::size_t at = 0; at < utf8.size();) {
    const std::size_t length = sequence_length(utf8[at]);
    out += decode_at(utf8, at, length);
    at += length;
  }
  return out;
}

void encode(char32_t c, std::string& out) {
  const auto put = [&](char32_t byte) { out += static_cast<char>(static_cast<unsigned char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xc0u | c >> 6), put(0x80u | (c & 0x3fu));
  } else if (c < 0x10000) {
    put(0xe0u | c >> 12), put(0x80u | (c >> 6 & 0x3fu)), put(0x80u | (c & 0x3fu));
  } else {
    put(0xf0u | c >> 18), put(0x80u | (c >> 12 & 0x3fu)), put(0x80u | (c >> 6 & 0x3fu)), put(0x80u | (c & 0x3fu));
  }
}

std::size_t find_invalid_utf8(std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t length = valid_sequence(bytes, at);
    if (length == 0) return at;
    at += length;
  }
  return std::string_view::npos;
}

std::string valid_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t length = valid_sequence(bytes, at);
    if (length == 0)
      encode(0xfffd, out);
    else
      out.append(bytes.substr(at, length));
    at += std::max<std::size_t>(length, 1);
  }
  return out;
}

std::size_t find_bytes(std::string_view haystack, std::string_view needle, std::size_t from) {
  if (from > haystack.size()) return std::string_view::npos;
  if (needle.empty()) return from;
  const void* at = ::memmem(haystack.data() + from, haystack.size() - from, needle.data(), needle.size());
  return at == nullptr ? std::string_view::npos : static_cast<std::size_t>(static_cast<const char*>(at) - haystack.data());
}

std::size_t find_last_bytes(std::string_view haystack, std::string_view needle) {
  if (needle.empty()) return haystack.size();
  const std::string reversed(haystack.rbegin(), haystack.rend());
  const std::size_t at = find_bytes(reversed, std::string(needle.rbegin(), needle.rend()));
  return at == std::string_view::npos ? at : haystack.size() - at - needle.size();
}

bool Text::is_input(std::size_t byte) const {
  const auto after = std::upper_bound(input_.begin(), input_.end(), byte, [](std::size_t b, const Span& s) { return b < s.begin; });
  return after != input_.begin() && byte < std::prev(after)->end;
}

void Text::mark(std::size_t begin, std::size_t end) {
  if (begin == end) return;
  if (!input_.empty() && input_.back().end == begin)
    input_.back().end = end;
  else
    input_.push_back({begin, end});
}

void Text::append(std::string_view bytes, bool from_input) {
  if (from_input) mark(bytes_.size(), bytes_.size() + bytes.size());
  bytes_ += bytes;
  length_ += count_codepoints(bytes);
}

void Text::append(const Text& other) { append(other, 0, other.size()); }

void Text::append(const Text& other, std::size_t begin, std::size_t end) {
  const std::size_t base = bytes_.size();
  auto span = std::upper_bound(other.input_.begin(), other.input_.end(), begin, [](std::size_t b, const Span& s) { return b < s.end; });
  for (; span != other.input_.end() && span->begin < end; ++span)
    mark(base + std::max(span->begin, begin) - begin, base + std::min(span->end, end) - begin);
  const bool whole = begin == 0 && end == other.size();
  length_ += whole              ? other.length_
             : other.is_ascii() ? end - begin
                                : count_codepoints(std::string_view(other.bytes_).substr(begin, end - begin));
  bytes_.append(other.bytes_, begin, end - begin);
}

void Text::append_codepoint(char32_t c, bool from_input) {
  std::string utf8;
  encode(c, utf8);
  append(utf8, from_input);
}

Text Text::slice(std::size_t begin, std::size_t end) const {
  Text out;
  out.append(*this, begin, end);
  return out;
}

std::size_t Text::byte_of(std::size_t index) const {
  if (is_ascii()) return index;
  if (index >= length_) return bytes_.size();
  std::size_t at = 0;
  for (; index > 0; --index) at += sequence_length(bytes_[at]);
  return at;
}

std::size_t Text::index_of(std::size_t byte) const {
  return is_ascii() ? byte : count_codepoints(std::string_view(bytes_).substr(0, byte));
}

void Reader::next() {
  begin_ = end_;
  const std::size_t length = sequence_length(text_.bytes()[begin_]);
  codepoint_ = decode_at(text_.bytes(), begin_, length);
  end_ = begin_ + length;
  const std::vector<Span>& spans = text_.input_spans();
  while (span_ < spans.size() && spans[span_].end <= begin_) ++span_;
}

}  // namespace jang::text::jinja
