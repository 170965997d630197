// SPDX-License-Identifier: Apache-2.0
// See strings.h. Case is mapped letter by letter, so that each keeps the mark of the letter it came from.
#include "text/jinja/runtime/strings.h"

#include <algorithm>
#include <utility>

#include <utf8proc.h>

#include "base/utf8.h"
#include "text/jinja/runtime/characters.h"
#include "text/jinja/runtime/operations.h"

namespace jang::text::jinja {
namespace {

using CaseMap = std::u32string (*)(char32_t);

void append_all(const std::u32string& letters, bool from_input, Text& out) {
  for (const char32_t c : letters) out.append_codepoint(c, from_input);
}

std::size_t start_of_last(std::string_view text) {
  std::size_t begin = text.size() - 1;
  while (utf8::is_continuation(text[begin])) --begin;
  return begin;
}

bool is_cased(char32_t c) { return is_upper(c) || is_lower(c) || is_title(c); }

// Letters that the rule of the final sigma looks through.
bool is_case_ignorable(char32_t c) {
  if (c == '\'' || c == '.' || c == ':' || c == '^' || c == '`' || c == 0xb7 || c == 0x2018 || c == 0x2019) return true;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK: return true;
    default: return false;
  }
}

constexpr char32_t kSigma = 0x3a3, kFinalSigma = 0x3c2;

// Greek capital sigma becomes another small letter at the end of a word.
bool is_final_sigma(const Text& text, std::size_t begin, std::size_t end) {
  bool after_cased = false;
  for (std::string_view before = std::string_view(text.bytes()).substr(0, begin); !before.empty() && !after_cased;) {
    const std::size_t last = start_of_last(before);
    const char32_t c = utf8::first(before.substr(last));
    if (!is_case_ignorable(c) && !is_cased(c)) return false;
    after_cased = !is_case_ignorable(c);
    before = before.substr(0, last);
  }
  for (std::size_t at = end; at < text.size() && after_cased;) {
    const std::size_t length = utf8::length_at(text.bytes()[at]);
    const char32_t c = utf8::first(std::string_view(text.bytes()).substr(at, length));
    if (!is_case_ignorable(c)) return !is_cased(c);
    at += length;
  }
  return after_cased;
}

// `choose` gives the mapping of each letter from what it is.
template <typename Choose>
Text map_case(const Text& text, Choose&& choose) {
  Text out;
  for (Reader reader(text); !reader.at_end();) {
    reader.next();
    const char32_t c = reader.codepoint();
    const CaseMap map = choose(c);
    if (map == nullptr) {
      out.append(text, reader.begin(), reader.end());
    } else if (map == static_cast<CaseMap>(lower) && c == kSigma && is_final_sigma(text, reader.begin(), reader.end())) {
      out.append_codepoint(kFinalSigma, reader.is_input());
    } else {
      append_all(map(c), reader.is_input(), out);
    }
  }
  return out;
}

bool one_of(std::string_view c, const Text& characters) { return find_bytes(characters.bytes(), c) != std::string_view::npos; }

bool starts_word(char32_t c) { return is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<'; }

}  // namespace

Text strip(const Text& text, Side side, const Text* characters) {
  std::string_view rest = text.bytes();
  std::size_t begin = 0;
  const bool left = side != Side::right, right = side != Side::left;
  if (characters == nullptr) {
    if (left) begin = leading_space(rest);
    rest = rest.substr(begin);
    return text.slice(begin, begin + rest.size() - (right ? trailing_space(rest) : 0));
  }
  while (left && !rest.empty()) {
    const std::size_t length = utf8::length_at(rest.front());
    if (!one_of(rest.substr(0, length), *characters)) break;
    rest.remove_prefix(length);
    begin += length;
  }
  while (right && !rest.empty()) {
    const std::size_t last = start_of_last(rest);
    if (!one_of(rest.substr(last), *characters)) break;
    rest = rest.substr(0, last);
  }
  return text.slice(begin, begin + rest.size());
}

Text to_upper(const Text& text) {
  return map_case(text, [](char32_t) -> CaseMap { return upper; });
}
Text to_lower(const Text& text) {
  return map_case(text, [](char32_t) -> CaseMap { return lower; });
}

Text capitalize(const Text& text) {
  bool first = true;
  return map_case(text, [&](char32_t) -> CaseMap { return std::exchange(first, false) ? title : lower; });
}

Text title_method(const Text& text) {
  bool in_word = false;
  return map_case(text, [&](char32_t c) -> CaseMap {
    const CaseMap map = in_word ? lower : title;
    in_word = is_cased(c);
    return map;
  });
}

Text title_filter(const Text& text) {
  bool first = true;
  return map_case(text, [&](char32_t c) -> CaseMap {
    const CaseMap map = first ? upper : lower;
    first = starts_word(c);
    return map;
  });
}

std::vector<Span> split_space(const Text& text, std::int64_t limit) {
  std::vector<Span> out;
  const std::string_view bytes = text.bytes();
  std::size_t at = leading_space(bytes);
  while (at < bytes.size()) {
    if (limit >= 0 && static_cast<std::int64_t>(out.size()) == limit) {
      out.push_back({at, bytes.size()});
      return out;
    }
    std::size_t end = at, space = 0;
    while (end < bytes.size() && (space = leading_space(bytes.substr(end, utf8::length_at(bytes[end])))) == 0)
      end += utf8::length_at(bytes[end]);
    out.push_back({at, end});
    at = end + leading_space(bytes.substr(end));
  }
  return out;
}

std::vector<Span> rsplit_space(const Text& text, std::int64_t limit) {
  std::vector<Span> out;
  const std::string_view bytes = text.bytes();
  std::size_t end = bytes.size() - trailing_space(bytes);
  while (end > 0) {
    if (limit >= 0 && static_cast<std::int64_t>(out.size()) == limit) {
      out.push_back({0, end});
      break;
    }
    std::size_t begin = end;
    while (begin > 0) {
      const std::size_t last = start_of_last(bytes.substr(0, begin));
      if (leading_space(bytes.substr(last, begin - last)) > 0) break;
      begin = last;
    }
    out.push_back({begin, end});
    end = begin - trailing_space(bytes.substr(0, begin));
  }
  std::reverse(out.begin(), out.end());
  return out;
}

std::vector<Span> split_by(const Text& text, std::string_view separator, std::int64_t limit) {
  std::vector<Span> out;
  std::size_t at = 0;
  while (limit < 0 || static_cast<std::int64_t>(out.size()) < limit) {
    const std::size_t found = find_bytes(text.bytes(), separator, at);
    if (found == std::string_view::npos) break;
    out.push_back({at, found});
    at = found + separator.size();
  }
  out.push_back({at, text.size()});
  return out;
}

// On the reversed bytes: the last occurrences first, in linear time.
std::vector<Span> rsplit_by(const Text& text, std::string_view separator, std::int64_t limit) {
  const std::size_t n = text.size();
  const std::string bytes(text.bytes().rbegin(), text.bytes().rend());
  const std::string mirrored(separator.rbegin(), separator.rend());
  std::vector<Span> out;
  std::size_t at = 0;
  while (limit < 0 || static_cast<std::int64_t>(out.size()) < limit) {
    const std::size_t found = find_bytes(bytes, mirrored, at);
    if (found == std::string_view::npos) break;
    out.push_back({n - found, n - at});
    at = found + mirrored.size();
  }
  out.push_back({0, n - at});
  std::reverse(out.begin(), out.end());
  return out;
}

std::vector<Span> split_lines(const Text& text, bool keep_ends) {
  std::vector<Span> out;
  std::size_t begin = 0;
  for (Reader reader(text); !reader.at_end();) {
    reader.next();
    if (!is_line_break(reader.codepoint())) continue;
    std::size_t end = reader.end();
    const std::size_t line_end = reader.begin();
    if (reader.codepoint() == '\r' && !reader.at_end() && text.bytes()[end] == '\n') {
      reader.next();
      end = reader.end();
    }
    out.push_back({begin, keep_ends ? end : line_end});
    begin = end;
  }
  if (begin < text.size()) out.push_back({begin, text.size()});
  return out;
}

std::int64_t count_occurrences(std::string_view text, std::string_view part) {
  std::int64_t n = 0;
  for (std::size_t at = find_bytes(text, part); at != std::string_view::npos; at = find_bytes(text, part, at + part.size())) ++n;
  return n;
}

namespace {

// Between all characters and at both ends.
Result<Text> replace_nothing(const Text& text, const Text& to, std::int64_t limit) {
  std::int64_t places = static_cast<std::int64_t>(text.length()) + 1;
  if (limit >= 0) places = std::min(places, limit);
  JANG_TRY(Runtime::check_string_size(text.size() + static_cast<std::uint64_t>(places) * to.size()));
  Text out;
  for (Reader reader(text);; reader.next(), out.append(text, reader.begin(), reader.end())) {
    if (places-- > 0) out.append(to);
    if (reader.at_end()) return out;
  }
}

}  // namespace

Result<Text> replace(Runtime& runtime, const Text& text, const Text& from, const Text& to, std::int64_t limit) {
  JANG_TRY(runtime.charge_bytes(text.size()));
  if (limit == 0) return text;
  if (from.size() == 0) return replace_nothing(text, to, limit);
  std::int64_t n = count_occurrences(text.bytes(), from.bytes());
  if (limit >= 0) n = std::min(n, limit);
  if (n == 0) return text;
  if (to.size() > from.size())
    JANG_TRY(Runtime::check_string_size(text.size() + static_cast<std::uint64_t>(n) * (to.size() - from.size())));
  JANG_TRY(runtime.charge(static_cast<std::uint64_t>(n) / 8));
  Text out;
  std::size_t at = 0;
  for (; n > 0; --n) {
    const std::size_t found = find_bytes(text.bytes(), from.bytes(), at);
    out.append(text, at, found);
    out.append(to);
    at = found + from.size();
  }
  out.append(text, at, text.size());
  return out;
}

Result<Text> indent(Runtime& runtime, const Text& text, const Text& indention, bool first, bool blank) {
  Text whole = text;
  whole.append("\n");
  const std::vector<Span> lines = split_lines(whole, false);
  JANG_TRY(runtime.charge(lines.size()));
  JANG_TRY(Runtime::check_string_size(whole.size() + static_cast<std::uint64_t>(lines.size()) * indention.size()));
  Text out;
  if (first) out.append(indention);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const bool is_blank = lines[i].begin == lines[i].end;
    if (i > 0) out.append("\n");
    if (i > 0 && (blank || !is_blank)) out.append(indention);
    out.append(whole, lines[i].begin, lines[i].end);
  }
  return out;
}

Result<Text> join(Runtime& runtime, const Text& separator, const std::vector<Text>& parts) {
  std::uint64_t total = parts.empty() ? 0 : (parts.size() - 1) * separator.size();
  for (const Text& part : parts) total += part.size();
  JANG_TRY(Runtime::check_string_size(total));
  JANG_TRY(runtime.charge(parts.size()));
  Text out;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out.append(separator);
    out.append(parts[i]);
  }
  return out;
}

Text escape_html(const Text& text) {
  Text out;
  std::size_t plain_from = 0;
  for (Reader reader(text); !reader.at_end();) {
    reader.next();
    std::string_view entity;
    switch (reader.codepoint()) {
      case '&': entity = "&amp;"; break;
      case '<': entity = "&lt;"; break;
      case '>': entity = "&gt;"; break;
      case '\'': entity = "&#39;"; break;
      case '"': entity = "&#34;"; break;
      default: continue;
    }
    out.append(text, plain_from, reader.begin());
    plain_from = reader.end();
    out.append(entity, reader.is_input());
  }
  out.append(text, plain_from, text.size());
  return out;
}

bool all_of(const Text& text, bool (*is_of_class)(char32_t)) {
  for (Reader reader(text); !reader.at_end();) {
    reader.next();
    if (!is_of_class(reader.codepoint())) return false;
  }
  return text.size() > 0;
}

}  // namespace jang::text::jinja
