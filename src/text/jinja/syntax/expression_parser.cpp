// SPDX-License-Identifier: Apache-2.0
// Expressions.
#include "text/jinja/syntax/expression_parser.h"

#include <algorithm>

#include <fmt/format.h>

#include "text/jinja/filters/filters.h"
#include "text/jinja/library/tests.h"
#include "text/jinja/runtime/arithmetic.h"
#include "text/jinja/runtime/print.h"
#include "text/jinja/runtime/refused.h"

namespace jang::text::jinja {

bool ExpressionParser::skip_name(std::string_view name) {
  if (!current().is_name(name)) return false;
  take();
  return true;
}

bool ExpressionParser::skip_symbol(std::string_view symbol) {
  if (!current().is_symbol(symbol)) return false;
  take();
  return true;
}

Status ExpressionParser::unexpected(std::string_view expected) const {
  return syntax_error(current().line, fmt::format("expected {}, found {}", expected, describe(current())));
}

Status ExpressionParser::expect_symbol(std::string_view symbol) {
  return skip_symbol(symbol) ? Status() : unexpected(fmt::format("'{}'", symbol));
}

Status ExpressionParser::expect(TokenKind kind) {
  if (current().kind != kind) return unexpected(describe({kind, 0, {}, 0, 0}));
  take();
  return {};
}

Result<std::string> ExpressionParser::expect_name() {
  if (current().kind != TokenKind::name) return unexpected("a name");
  return take().text;
}

int ExpressionParser::name_id(const std::string& name) {
  const auto [at, added] = ids_.try_emplace(name, static_cast<int>(names_.size()));
  if (added) names_.push_back(name);
  return at->second;
}

Status ExpressionParser::enter() {
  if (++depth_ <= kMaxParseDepth) return {};
  return {StatusCode::invalid_argument, fmt::format("line {}: nested deeper than {} levels", current().line, kMaxParseDepth)};
}

ExpressionPtr ExpressionParser::node(Expression::Kind kind, int line) const {
  auto made = std::make_unique<Expression>();
  made->kind = kind;
  made->line = line;
  return made;
}

Status ExpressionParser::refused(std::string_view what) const {
  return not_supported(what).with_context(fmt::format("line {}", current().line));
}

// Inside a macro jinja gives these names a meaning, unless a parameter has the name.
Status ExpressionParser::check_macro_name(const std::string& name) const {
  if (procedures_.empty() || (name != "caller" && name != "kwargs" && name != "varargs")) return {};
  for (const Procedure* procedure : procedures_)
    for (const int parameter : procedure->parameters)
      if (names_[static_cast<std::size_t>(parameter)] == name) return {};
  return refused(fmt::format("{} of a macro", in_quotes(name)));
}

Result<ExpressionPtr> ExpressionParser::expression() {
  JANG_TRY(enter());
  JANG_ASSIGN(ExpressionPtr made, conditional());
  leave();
  return made;
}

Result<ExpressionPtr> ExpressionParser::conditional() {
  int line = current().line;
  const std::size_t known_unknown = unknown_.size();
  JANG_ASSIGN(ExpressionPtr value, logical_or());
  int levels = 0;
  while (skip_name("if")) {
    unknown_.resize(known_unknown);  // what stands in a branch is an error only when it is reached
    JANG_TRY(enter());
    ++levels;
    ++soft_;
    JANG_ASSIGN(ExpressionPtr condition, logical_or());
    ExpressionPtr other;
    if (skip_name("else")) {
      JANG_TRY(enter());
      JANG_ASSIGN(other, conditional());
      leave();
    }
    --soft_;
    ExpressionPtr made = node(Expression::Kind::conditional, line);
    made->items.push_back(std::move(value));
    made->items.push_back(std::move(condition));
    made->items.push_back(std::move(other));
    value = std::move(made);
    line = current().line;
  }
  depth_ -= levels;
  return value;
}

Result<ExpressionPtr> ExpressionParser::logical_chain(Rule operand, std::string_view word, Expression::Kind kind) {
  const int line = current().line;
  JANG_ASSIGN(ExpressionPtr first, (this->*operand)());
  if (!current().is_name(word)) return first;
  ExpressionPtr made = node(kind, line);
  made->items.push_back(std::move(first));
  while (skip_name(word)) {
    JANG_ASSIGN(ExpressionPtr next, (this->*operand)());
    made->items.push_back(std::move(next));
  }
  return made;
}

Result<ExpressionPtr> ExpressionParser::logical_or() {
  return logical_chain(&ExpressionParser::logical_and, "or", Expression::Kind::logical_or);
}
Result<ExpressionPtr> ExpressionParser::logical_and() {
  return logical_chain(&ExpressionParser::logical_not, "and", Expression::Kind::logical_and);
}

Result<ExpressionPtr> ExpressionParser::logical_not() {
  const int line = current().line;
  if (!skip_name("not")) return comparison();
  JANG_TRY(enter());
  JANG_ASSIGN(ExpressionPtr operand, logical_not());
  leave();
  ExpressionPtr made = node(Expression::Kind::logical_not, line);
  made->items.push_back(std::move(operand));
  return made;
}

Result<ExpressionPtr> ExpressionParser::comparison() {
  static constexpr std::pair<std::string_view, Comparison> kSymbols[] = {{"==", Comparison::equal},  {"!=", Comparison::not_equal},
                                                                         {"<", Comparison::less},    {"<=", Comparison::less_equal},
                                                                         {">", Comparison::greater}, {">=", Comparison::greater_equal}};
  const int line = current().line;
  JANG_ASSIGN(ExpressionPtr first, sum());
  ExpressionPtr made;
  while (true) {
    const auto* row = std::find_if(std::begin(kSymbols), std::end(kSymbols), [&](const auto& s) { return current().is_symbol(s.first); });
    Comparison comparison = Comparison::in;
    if (row != std::end(kSymbols)) {
      comparison = row->second;
    } else if (current().is_name("not") && next_token().is_name("in")) {
      comparison = Comparison::not_in;
      take();
    } else if (!current().is_name("in")) {
      break;
    }
    take();
    if (made == nullptr) {
      made = node(Expression::Kind::comparison, line);
      made->items.push_back(std::move(first));
    }
    JANG_ASSIGN(ExpressionPtr operand, sum());
    made->comparisons.push_back(comparison);
    made->items.push_back(std::move(operand));
  }
  return made != nullptr ? std::move(made) : std::move(first);
}

Result<ExpressionPtr> ExpressionParser::arithmetic_chain(Rule operand,
                                                         const std::vector<std::pair<std::string_view, Operator>>& operators) {
  const int line = current().line;
  JANG_ASSIGN(ExpressionPtr first, (this->*operand)());
  ExpressionPtr made;
  while (true) {
    const auto row = std::find_if(operators.begin(), operators.end(), [&](const auto& o) { return current().is_symbol(o.first); });
    if (row == operators.end()) break;
    take();
    if (made == nullptr) {
      made = node(Expression::Kind::arithmetic, line);
      made->items.push_back(std::move(first));
    }
    JANG_ASSIGN(ExpressionPtr next, (this->*operand)());
    made->operators.push_back(row->second);
    made->items.push_back(std::move(next));
  }
  return made != nullptr ? std::move(made) : std::move(first);
}

Result<ExpressionPtr> ExpressionParser::sum() {
  static const std::vector<std::pair<std::string_view, Operator>> kOperators = {{"+", Operator::add}, {"-", Operator::subtract}};
  return arithmetic_chain(&ExpressionParser::concat, kOperators);
}

Result<ExpressionPtr> ExpressionParser::concat() {
  const int line = current().line;
  JANG_ASSIGN(ExpressionPtr first, product());
  if (!current().is_symbol("~")) return first;
  ExpressionPtr made = node(Expression::Kind::concat, line);
  made->items.push_back(std::move(first));
  while (skip_symbol("~")) {
    JANG_ASSIGN(ExpressionPtr next, product());
    made->items.push_back(std::move(next));
  }
  return made;
}

Result<ExpressionPtr> ExpressionParser::product() {
  static const std::vector<std::pair<std::string_view, Operator>> kOperators = {
      {"*", Operator::multiply}, {"/", Operator::divide}, {"//", Operator::floor_divide}, {"%", Operator::modulo}};
  return arithmetic_chain(&ExpressionParser::factor, kOperators);
}

Result<ExpressionPtr> ExpressionParser::factor() {
  JANG_ASSIGN(ExpressionPtr made, unary());
  if (current().is_symbol("**")) return refused("the operator **");
  return made;
}

Result<ExpressionPtr> ExpressionParser::unary(bool with_filters) {
  const int line = current().line;
  const bool minus = current().is_symbol("-"), plus = current().is_symbol("+");
  if (!minus && !plus) {
    JANG_ASSIGN(ExpressionPtr base, primary());
    return suffixes(std::move(base), with_filters);
  }
  take();
  JANG_TRY(enter());
  JANG_ASSIGN(ExpressionPtr operand, unary(false));
  leave();
  ExpressionPtr made = node(minus ? Expression::Kind::minus : Expression::Kind::plus, line);
  made->items.push_back(std::move(operand));
  return suffixes(std::move(made), with_filters);
}

Result<ExpressionPtr> ExpressionParser::primary() {
  const Token token = current();
  ExpressionPtr made = node(Expression::Kind::constant, token.line);
  switch (token.kind) {
    case TokenKind::name:
      take();
      if (token.text == "true" || token.text == "True" || token.text == "false" || token.text == "False") {
        made->constant = Value::boolean(token.text == "true" || token.text == "True");
      } else if (token.text == "none" || token.text == "None") {
        made->constant = Value::none();
      } else {
        JANG_TRY(check_macro_name(token.text));
        made->kind = Expression::Kind::name;
        made->name = name_id(token.text);
      }
      return made;
    case TokenKind::string: {
      std::string text;
      while (current().kind == TokenKind::string) text += take().text;  // adjacent literals are one
      made->constant = Value::short_string(text);
      return made;
    }
    case TokenKind::integer: made->constant = Value::integer(take().integer); return made;
    case TokenKind::real: made->constant = Value::real(take().real); return made;
    default: break;
  }
  if (skip_symbol("(")) {
    JANG_ASSIGN(ExpressionPtr inner, tuple(true, "", true));
    JANG_TRY(expect_symbol(")"));
    return inner;
  }
  if (token.is_symbol("[")) return literal_list();
  if (token.is_symbol("{")) return literal_dict();
  return unexpected("an expression");
}

Result<ExpressionPtr> ExpressionParser::literal_list() {
  ExpressionPtr made = node(Expression::Kind::list, take().line);
  while (!current().is_symbol("]")) {
    if (!made->items.empty()) JANG_TRY(expect_symbol(","));
    if (current().is_symbol("]")) break;
    JANG_ASSIGN(ExpressionPtr item, expression());
    made->items.push_back(std::move(item));
  }
  JANG_TRY(expect_symbol("]"));
  return made;
}

Result<ExpressionPtr> ExpressionParser::literal_dict() {
  ExpressionPtr made = node(Expression::Kind::dict, take().line);
  while (!current().is_symbol("}")) {
    if (!made->items.empty()) JANG_TRY(expect_symbol(","));
    if (current().is_symbol("}")) break;
    JANG_ASSIGN(ExpressionPtr key, expression());
    JANG_TRY(expect_symbol(":"));
    JANG_ASSIGN(ExpressionPtr value, expression());
    made->items.push_back(std::move(key));
    made->items.push_back(std::move(value));
  }
  JANG_TRY(expect_symbol("}"));
  return made;
}

Result<ExpressionPtr> ExpressionParser::tuple(bool with_conditional, std::string_view stop, bool parentheses) {
  JANG_TRY(enter());
  ExpressionPtr made = node(Expression::Kind::tuple, current().line);
  bool is_tuple = false;
  while (true) {
    if (!made->items.empty()) JANG_TRY(expect_symbol(","));
    const TokenKind kind = current().kind;
    if (kind == TokenKind::variable_end || kind == TokenKind::block_end || current().is_symbol(")")) break;
    if (!stop.empty() && current().is_name(stop)) break;
    JANG_ASSIGN(ExpressionPtr item, with_conditional ? conditional() : logical_or());
    made->items.push_back(std::move(item));
    if (!current().is_symbol(",")) break;
    is_tuple = true;
  }
  leave();
  if (is_tuple) return made;
  if (!made->items.empty()) return std::move(made->items.front());
  if (!parentheses) return unexpected("an expression");
  return made;
}

Result<ExpressionPtr> ExpressionParser::suffixes(ExpressionPtr base, bool with_filters) {
  std::vector<Suffix> found;
  JANG_TRY(postfix(found));
  if (with_filters) JANG_TRY(filters(found));
  if (found.empty()) return base;
  ExpressionPtr made = node(Expression::Kind::suffixed, base->line);
  made->items.push_back(std::move(base));
  made->suffixes = std::move(found);
  return made;
}

Status ExpressionParser::postfix(std::vector<Suffix>& out) {
  while (true) {
    Suffix suffix;
    suffix.line = current().line;
    if (current().is_symbol(".") || current().is_symbol("[")) {
      JANG_TRY(subscript(suffix));
    } else if (current().is_symbol("(")) {
      suffix.kind = Suffix::Kind::call;
      JANG_TRY(call_arguments(suffix.arguments));
    } else {
      return {};
    }
    out.push_back(std::move(suffix));
  }
}

Status ExpressionParser::subscript(Suffix& out) {
  const int line = current().line;
  if (skip_symbol(".")) {
    const Token token = take();
    if (token.kind == TokenKind::name) {
      out.name = token.text;
      return {};
    }
    if (token.kind != TokenKind::integer) return syntax_error(line, "expected a name or a number after '.'");
    out.kind = Suffix::Kind::item;
    out.items.push_back(node(Expression::Kind::constant, line));
    out.items.back()->constant = Value::integer(token.integer);
    return {};
  }
  take();
  out.kind = Suffix::Kind::item;
  out.items.resize(3);
  const auto at_part_end = [&] { return current().is_symbol("]") || current().is_symbol(":"); };
  for (std::size_t part = 0; part < 3; ++part) {
    if (!at_part_end()) {
      JANG_ASSIGN(out.items[part], part == 0 ? tuple(true, "", false) : expression());
    }
    if (!skip_symbol(":")) break;
    if (part == 2) return syntax_error(line, "a slice has at most three parts");
    out.kind = Suffix::Kind::slice;
  }
  if (out.kind == Suffix::Kind::item && out.items[0] == nullptr) return unexpected("an expression");
  return expect_symbol("]");
}

Status ExpressionParser::filters(std::vector<Suffix>& out) {
  while (true) {
    if (current().is_symbol("|")) {
      take();
      JANG_TRY(one_filter(out));
    } else if (current().is_name("is")) {
      JANG_TRY(one_test(out));
    } else if (current().is_symbol("(")) {
      Suffix suffix;
      suffix.kind = Suffix::Kind::call;
      suffix.line = current().line;
      JANG_TRY(call_arguments(suffix.arguments));
      out.push_back(std::move(suffix));
    } else {
      return {};
    }
  }
}

Status ExpressionParser::one_filter(std::vector<Suffix>& out) {
  Suffix suffix;
  suffix.kind = Suffix::Kind::filter;
  suffix.line = current().line;
  JANG_ASSIGN(suffix.name, expect_name());
  while (skip_symbol(".")) {
    JANG_ASSIGN(const std::string part, expect_name());
    suffix.name += "." + part;
  }
  if (current().is_symbol("(")) JANG_TRY(call_arguments(suffix.arguments));
  suffix.filter = find_filter(suffix.name);
  if (suffix.filter == nullptr && soft_ == 0)
    unknown_.push_back(no_such_filter(suffix.name).with_context(fmt::format("line {}", suffix.line)));
  out.push_back(std::move(suffix));
  return {};
}

Status ExpressionParser::one_test(std::vector<Suffix>& out) {
  Suffix suffix;
  suffix.kind = Suffix::Kind::test;
  suffix.line = take().line;
  suffix.negated = skip_name("not");
  JANG_ASSIGN(suffix.name, expect_name());
  while (skip_symbol(".")) {
    JANG_ASSIGN(const std::string part, expect_name());
    suffix.name += "." + part;
  }
  const Token& token = current();
  const bool literal = token.kind == TokenKind::name || token.kind == TokenKind::string || token.kind == TokenKind::integer ||
                       token.kind == TokenKind::real || token.is_symbol("[") || token.is_symbol("{");
  if (token.is_symbol("(")) {
    JANG_TRY(call_arguments(suffix.arguments));
  } else if (literal && !token.is_name("else") && !token.is_name("or") && !token.is_name("and")) {
    if (token.is_name("is")) return syntax_error(token.line, "tests cannot be chained with 'is'");
    JANG_TRY(enter());
    JANG_ASSIGN(ExpressionPtr argument, primary());
    JANG_ASSIGN(argument, suffixes(std::move(argument), false));
    leave();
    suffix.arguments.positional.push_back(std::move(argument));
  }
  suffix.test = find_test(suffix.name);
  if (suffix.test == nullptr && soft_ == 0) unknown_.push_back(no_such_test(suffix.name).with_context(fmt::format("line {}", suffix.line)));
  out.push_back(std::move(suffix));
  return {};
}

Status ExpressionParser::call_arguments(CallArguments& out) {
  JANG_TRY(expect_symbol("("));
  bool first = true;
  while (!current().is_symbol(")")) {
    if (!first) {
      JANG_TRY(expect_symbol(","));
      if (current().is_symbol(")")) break;
    }
    first = false;
    JANG_TRY(one_argument(out));
  }
  return expect_symbol(")");
}

Status ExpressionParser::one_argument(CallArguments& out) {
  if (current().is_symbol("*") || current().is_symbol("**")) return refused(fmt::format("{} in a call", current().text));
  if (current().kind == TokenKind::name && next_token().is_symbol("=")) {
    std::string name = take().text;
    take();
    JANG_ASSIGN(ExpressionPtr value, expression());
    out.named.emplace_back(std::move(name), std::move(value));
    return {};
  }
  if (!out.named.empty()) return syntax_error(current().line, "arguments in the wrong order");
  JANG_ASSIGN(ExpressionPtr value, expression());
  out.positional.push_back(std::move(value));
  return {};
}

}  // namespace jang::text::jinja
