// SPDX-License-Identifier: Apache-2.0
// Expressions: recursive descent over tokens, jinja's grammar. Every construct that nests counts a level; chains do not. Statements are
// parsed by the class derived from this one.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/syntax/lexer.h"
#include "text/jinja/syntax/tree.h"

namespace jang::text::jinja {

class ExpressionParser {
 protected:
  explicit ExpressionParser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  [[nodiscard]] const Token& current() const { return tokens_[at_]; }
  [[nodiscard]] const Token& next_token() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  Token take() { return at_ + 1 < tokens_.size() ? tokens_[at_++] : tokens_[at_]; }
  bool skip_name(std::string_view name);
  bool skip_symbol(std::string_view symbol);
  Status expect_symbol(std::string_view symbol);
  Status expect(TokenKind kind);
  Result<std::string> expect_name();
  [[nodiscard]] Status unexpected(std::string_view expected) const;
  int name_id(const std::string& name);
  Status enter();
  void leave() { --depth_; }
  ExpressionPtr node(Expression::Kind kind, int line) const;
  [[nodiscard]] Status check_macro_name(const std::string& name) const;
  [[nodiscard]] Status refused(std::string_view what) const;

  // Loosest binding first.
  using Rule = Result<ExpressionPtr> (ExpressionParser::*)();
  Result<ExpressionPtr> expression();
  Result<ExpressionPtr> conditional();
  Result<ExpressionPtr> logical_or();
  Result<ExpressionPtr> logical_and();
  Result<ExpressionPtr> logical_not();
  Result<ExpressionPtr> comparison();
  Result<ExpressionPtr> sum();
  Result<ExpressionPtr> concat();
  Result<ExpressionPtr> product();
  Result<ExpressionPtr> unary(bool with_filters = true);
  Result<ExpressionPtr> factor();
  Result<ExpressionPtr> primary();
  Result<ExpressionPtr> literal_list();
  Result<ExpressionPtr> literal_dict();
  Result<ExpressionPtr> arithmetic_chain(Rule operand, const std::vector<std::pair<std::string_view, Operator>>& operators);
  Result<ExpressionPtr> logical_chain(Rule operand, std::string_view word, Expression::Kind kind);
  // Comma separated: a tuple, or the one expression. `stop` is a name that ends it.
  Result<ExpressionPtr> tuple(bool with_conditional, std::string_view stop, bool parentheses);

  Result<ExpressionPtr> suffixes(ExpressionPtr base, bool with_filters);
  Status postfix(std::vector<Suffix>& out);  // .name [key] (call) as long as they come
  Status filters(std::vector<Suffix>& out);  // |filter, is test, (call)
  Status subscript(Suffix& out);
  Status one_filter(std::vector<Suffix>& out);
  Status one_test(std::vector<Suffix>& out);
  Status call_arguments(CallArguments& out);
  Status one_argument(CallArguments& out);

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int depth_ = 0;
  std::vector<Status> unknown_;  // filters and tests that do not exist, outside branches
  int soft_ = 0;                 // inside a branch: an unknown filter is an error only when it is reached
  std::map<std::string, int, std::less<>> ids_;
  std::vector<std::string> names_;
  std::vector<const Procedure*> procedures_;  // macros around, innermost last
};

}  // namespace jang::text::jinja
