// SPDX-License-Identifier: Apache-2.0
// A string of the template engine: valid UTF-8, its length in code points (what Python counts), and which of its bytes came out of the
// caller's variables. Every operation of the engine builds its result with append(), so that the mark follows a message through slicing,
// joining, escaping and formatting.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace jang::text::jinja {

// Half-open range of bytes.
struct Span {
  std::size_t begin = 0, end = 0;
};

class Text {
 public:
  Text() = default;
  // Precondition: valid UTF-8.
  explicit Text(std::string_view bytes, bool from_input = false) { append(bytes, from_input); }

  [[nodiscard]] const std::string& bytes() const { return bytes_; }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] std::size_t length() const { return length_; }  // code points
  [[nodiscard]] bool is_ascii() const { return length_ == bytes_.size(); }
  // Sorted, disjoint, not touching.
  [[nodiscard]] const std::vector<Span>& input_spans() const { return input_; }
  [[nodiscard]] bool is_input(std::size_t byte) const;

  void append(std::string_view bytes, bool from_input = false);
  void append(const Text& other);
  // Bytes [begin, end) of `other`, which must lie on code point borders.
  void append(const Text& other, std::size_t begin, std::size_t end);
  void append_codepoint(char32_t c, bool from_input);

  [[nodiscard]] Text slice(std::size_t begin, std::size_t end) const;
  // Byte where code point `index` starts; size() for index == length(). O(1) for ASCII, else O(n). Precondition: index <= length().
  [[nodiscard]] std::size_t byte_of(std::size_t index) const;
  // Number of code points in the first `byte` bytes.
  [[nodiscard]] std::size_t index_of(std::size_t byte) const;

 private:
  void mark(std::size_t begin, std::size_t end);

  std::string bytes_;
  std::vector<Span> input_;
  std::size_t length_ = 0;
};

// One code point of a text. Precondition of next(): not at_end().
class Reader {
 public:
  explicit Reader(const Text& text) : text_(text) {}
  [[nodiscard]] bool at_end() const { return end_ >= text_.size(); }
  void next();
  [[nodiscard]] char32_t codepoint() const { return codepoint_; }
  [[nodiscard]] std::size_t begin() const { return begin_; }  // bytes of the code point last read
  [[nodiscard]] std::size_t end() const { return end_; }
  [[nodiscard]] bool is_input() const { return span_ < text_.input_spans().size() && text_.input_spans()[span_].begin <= begin_; }

 private:
  const Text& text_;
  std::size_t begin_ = 0, end_ = 0, span_ = 0;
  char32_t codepoint_ = 0;
};

// First or last occurrence of `needle` at or after `from`, in linear time for any input; npos when there is none.
[[nodiscard]] std::size_t find_bytes(std::string_view haystack, std::string_view needle, std::size_t from = 0);
[[nodiscard]] std::size_t find_last_bytes(std::string_view haystack, std::string_view needle);

}  // namespace jang::text::jinja
