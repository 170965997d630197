// SPDX-License-Identifier: Apache-2.0
// The marks of text.h.
#include "text/jinja/runtime/text.h"

#include <algorithm>
#include <cstring>

#include "base/utf8.h"

namespace jang::text::jinja {

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
  length_ += utf8::count(bytes);
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
                                : utf8::count(std::string_view(other.bytes_).substr(begin, end - begin));
  bytes_.append(other.bytes_, begin, end - begin);
}

void Text::append_codepoint(char32_t c, bool from_input) {
  std::string utf8;
  utf8::append(utf8, c);
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
  for (; index > 0; --index) at += utf8::length_at(bytes_[at]);
  return at;
}

std::size_t Text::index_of(std::size_t byte) const { return is_ascii() ? byte : utf8::count(std::string_view(bytes_).substr(0, byte)); }

void Reader::next() {
  begin_ = end_;
  codepoint_ = utf8::next(text_.bytes(), end_);
  const std::vector<Span>& spans = text_.input_spans();
  while (span_ < spans.size() && spans[span_].end <= begin_) ++span_;
}

}  // namespace jang::text::jinja
