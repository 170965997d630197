// SPDX-License-Identifier: Apache-2.0
// Template source to tokens, with the settings transformers gives jinja: trim_blocks (the newline after a block tag goes), lstrip_blocks
// (blanks before a block tag on its line go), one newline at the very end goes, \r\n and \r read as \n.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "jang/status.h"

namespace jang::text::jinja {

enum class TokenKind : std::uint8_t {
  data,
  variable_begin,
  variable_end,
  block_begin,
  block_end,
  name,
  string,
  integer,
  real,
  symbol,  // operators and brackets
  end,
};

struct Token {
  TokenKind kind = TokenKind::end;
  int line = 0;
  std::string text;  // data, name, unescaped string, symbol
  std::int64_t integer = 0;
  double real = 0;

  [[nodiscard]] bool is_name(std::string_view name) const { return kind == TokenKind::name && text == name; }
  [[nodiscard]] bool is_symbol(std::string_view symbol) const { return kind == TokenKind::symbol && text == symbol; }
};

// The last token is `end`. Precondition: valid UTF-8. Errors: corrupt (message with the line), unsupported.
[[nodiscard]] Result<std::vector<Token>> tokenize(std::string_view source);

// A token for a message.
[[nodiscard]] std::string describe(const Token& token);

// corrupt "line N: message"
[[nodiscard]] Status syntax_error(int line, std::string_view message);

}  // namespace jang::text::jinja
