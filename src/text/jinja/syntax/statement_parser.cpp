// SPDX-License-Identifier: Apache-2.0
// Statements: the {% %} tags.
#include "text/jinja/syntax/statement_parser.h"

#include <algorithm>

#include <fmt/format.h>

#include "text/jinja/runtime/print.h"
#include "text/jinja/runtime/refused.h"
#include "text/jinja/syntax/expression_parser.h"
#include "text/jinja/syntax/symbols.h"

namespace jang::text::jinja {
namespace {

bool is_constant(std::string_view name) {
  return name == "true" || name == "false" || name == "none" || name == "True" || name == "False" || name == "None";
}

class StatementParser : private ExpressionParser {
 public:
  explicit StatementParser(std::vector<Token> tokens) : ExpressionParser(std::move(tokens)) {}
  Result<Template> run();

 private:
  Result<Statements> statements(const std::vector<std::string_view>& ends);
  Status one_statement(Statements& out);
  Result<Statements> body(const std::vector<std::string_view>& ends);
  Status parse_for(Statement& out);
  Status parse_if(Statement& out);
  Status parse_set(Statement& out);
  Status parse_macro(Statement& out);
  Status parse_filter_block(Statement& out);
  Status parse_with(Statement& out);
  Status parse_generation(Statement& out);
  Status parse_loop_control(Statement& out);
  Status signature(Procedure& out);
  Result<ExpressionPtr> filter_chain(bool first_is_bare);
  Result<Target> target(bool with_namespace, std::string_view stop);
  Result<Target> one_target(bool with_namespace);
  Status unknown_tag(const std::string& tag) const;

  int loops_ = 0;  // for loops around, within the innermost macro
};

Result<Template> StatementParser::run() {
  Template made;
  JANG_ASSIGN(made.body, statements({}));
  if (!unknown_.empty()) return unknown_.front();
  if (const auto loop = ids_.find("loop"); loop != ids_.end()) made.loop = loop->second;
  for (const auto& [name, id] : ids_) made.by_name.push_back(id);
  made.names = std::move(names_);
  resolve_symbols(made);
  return made;
}

// Up to a tag named in `ends`, which is left as the current token; without ends, up to the end of the template.
Result<Statements> StatementParser::statements(const std::vector<std::string_view>& ends) {
  Statements out;
  while (current().kind != TokenKind::end) {
    auto made = std::make_unique<Statement>();
    made->line = current().line;
    if (current().kind == TokenKind::data) {
      made->text = Text(take().text);
    } else if (current().kind == TokenKind::variable_begin) {
      take();
      made->kind = Statement::Kind::output;
      JANG_ASSIGN(ExpressionPtr value, tuple(true, "", false));
      made->expressions.push_back(std::move(value));
      JANG_TRY(expect(TokenKind::variable_end));
    } else {
      JANG_TRY(expect(TokenKind::block_begin));
      const bool is_end = std::any_of(ends.begin(), ends.end(), [&](std::string_view e) { return current().is_name(e); });
      if (is_end) return out;
      JANG_TRY(one_statement(out));
      JANG_TRY(expect(TokenKind::block_end));
      continue;
    }
    out.push_back(std::move(made));
  }
  if (!ends.empty())
    return syntax_error(current().line, fmt::format("the template ends where {{% {} %}} is expected", fmt::join(ends, " or ")));
  return out;
}

Status StatementParser::one_statement(Statements& out) {
  using Parse = Status (StatementParser::*)(Statement&);
  static constexpr std::pair<std::string_view, Parse> kTags[] = {{"for", &StatementParser::parse_for},
                                                                 {"if", &StatementParser::parse_if},
                                                                 {"set", &StatementParser::parse_set},
                                                                 {"macro", &StatementParser::parse_macro},
                                                                 {"filter", &StatementParser::parse_filter_block},
                                                                 {"with", &StatementParser::parse_with},
                                                                 {"break", &StatementParser::parse_loop_control},
                                                                 {"continue", &StatementParser::parse_loop_control},
                                                                 {"generation", &StatementParser::parse_generation}};
  if (current().kind != TokenKind::name) return unexpected("the name of a tag");
  const auto* row = std::find_if(std::begin(kTags), std::end(kTags), [&](const auto& t) { return t.first == current().text; });
  if (row == std::end(kTags)) return unknown_tag(current().text);
  JANG_TRY(enter());
  auto made = std::make_unique<Statement>();
  made->line = current().line;
  JANG_TRY((this->*row->second)(*made));
  leave();
  out.push_back(std::move(made));
  return {};
}

Status StatementParser::unknown_tag(const std::string& tag) const {
  JANG_TRY(check_offered(Feature::tag, tag).with_context(fmt::format("line {}", current().line)));
  return syntax_error(current().line, fmt::format("unknown tag {}", in_quotes(tag)));
}

Result<Statements> StatementParser::body(const std::vector<std::string_view>& ends) {
  skip_symbol(":");  // as in Python
  JANG_TRY(expect(TokenKind::block_end));
  return statements(ends);
}

Status StatementParser::parse_for(Statement& out) {
  out.kind = Statement::Kind::loop;
  take();
  JANG_ASSIGN(out.target, target(false, "in"));
  if (out.target.kind == Target::Kind::name && names_[static_cast<std::size_t>(out.target.name)] == "loop")
    return syntax_error(out.line, "a for loop cannot assign to 'loop'");
  if (!skip_name("in")) return unexpected("'in'");
  JANG_ASSIGN(ExpressionPtr iterated, tuple(false, "recursive", false));
  out.expressions.push_back(std::move(iterated));
  if (skip_name("if")) {
    JANG_ASSIGN(out.condition, expression());
  }
  if (current().is_name("recursive")) return refused("a recursive for loop");
  ++loops_;
  JANG_ASSIGN(out.body, body({"endfor", "else"}));
  --loops_;
  if (take().text == "else") {
    JANG_ASSIGN(out.otherwise, body({"endfor"}));
    take();
  }
  return {};
}

Status StatementParser::parse_if(Statement& out) {
  out.kind = Statement::Kind::branches;
  ++soft_;
  bool more = true;
  while (more) {  // current: if, elif or else
    Branch branch;
    const std::string tag = take().text;
    if (tag != "else") {
      JANG_ASSIGN(branch.condition, tuple(false, "", false));
      JANG_ASSIGN(branch.body, body({"elif", "else", "endif"}));
    } else {
      JANG_ASSIGN(branch.body, body({"endif"}));
    }
    out.branches.push_back(std::move(branch));
    more = !current().is_name("endif");
  }
  --soft_;
  take();
  return {};
}

Status StatementParser::parse_set(Statement& out) {
  take();
  JANG_ASSIGN(out.target, target(true, ""));
  if (skip_symbol("=")) {
    out.kind = Statement::Kind::set;
    JANG_ASSIGN(ExpressionPtr value, tuple(true, "", false));
    out.expressions.push_back(std::move(value));
    return {};
  }
  out.kind = Statement::Kind::set_block;
  JANG_ASSIGN(ExpressionPtr chain, filter_chain(false));
  out.expressions.push_back(std::move(chain));
  JANG_ASSIGN(out.body, body({"endset"}));
  take();
  return {};
}

// "name|name(x)": filters applied to a body. Null when there are none. The chain's base is a placeholder.
Result<ExpressionPtr> StatementParser::filter_chain(bool first_is_bare) {
  ExpressionPtr made = node(Expression::Kind::suffixed, current().line);
  if (first_is_bare) JANG_TRY(one_filter(made->suffixes));
  while (skip_symbol("|")) JANG_TRY(one_filter(made->suffixes));
  return made->suffixes.empty() ? ExpressionPtr() : std::move(made);
}

Status StatementParser::signature(Procedure& out) {
  JANG_TRY(expect_symbol("("));
  while (!current().is_symbol(")")) {
    if (!out.parameters.empty()) JANG_TRY(expect_symbol(","));
    const int line = current().line;
    JANG_ASSIGN(const std::string name, expect_name());
    if (is_constant(name)) return syntax_error(line, fmt::format("'{}' cannot be a parameter", name));
    if (skip_symbol("=")) {
      JANG_ASSIGN(ExpressionPtr value, expression());
      out.defaults.push_back(std::move(value));
    } else if (!out.defaults.empty()) {
      return syntax_error(line, "a parameter without a default follows one with a default");
    }
    out.parameters.push_back(name_id(name));
  }
  return expect_symbol(")");
}

Status StatementParser::parse_macro(Statement& out) {
  out.kind = Statement::Kind::macro;
  take();
  out.procedure = std::make_unique<Procedure>();
  JANG_ASSIGN(out.procedure->name, expect_name());
  if (is_constant(out.procedure->name)) return syntax_error(out.line, "a macro cannot have this name");
  out.target.name = name_id(out.procedure->name);
  JANG_TRY(signature(*out.procedure));
  procedures_.push_back(out.procedure.get());
  const int outer_loops = loops_;
  loops_ = 0;
  JANG_ASSIGN(out.procedure->body, body({"endmacro"}));
  loops_ = outer_loops;
  procedures_.pop_back();
  take();
  return {};
}

Status StatementParser::parse_filter_block(Statement& out) {
  out.kind = Statement::Kind::filter;
  take();
  JANG_ASSIGN(ExpressionPtr chain, filter_chain(true));
  out.expressions.push_back(std::move(chain));
  JANG_ASSIGN(out.body, body({"endfilter"}));
  take();
  return {};
}

Status StatementParser::parse_with(Statement& out) {
  out.kind = Statement::Kind::with;
  take();
  while (current().kind != TokenKind::block_end) {
    if (!out.targets.empty()) JANG_TRY(expect_symbol(","));
    JANG_ASSIGN(Target to, target(false, ""));
    JANG_TRY(expect_symbol("="));
    JANG_ASSIGN(ExpressionPtr value, expression());
    out.targets.push_back(std::move(to));
    out.expressions.push_back(std::move(value));
  }
  JANG_ASSIGN(out.body, body({"endwith"}));
  take();
  return {};
}

Status StatementParser::parse_generation(Statement& out) {
  out.kind = Statement::Kind::generation;
  take();
  const int outer_loops = loops_;
  loops_ = 0;  // its body is a procedure of its own
  JANG_ASSIGN(out.body, body({"endgeneration"}));
  loops_ = outer_loops;
  take();
  return {};
}

Status StatementParser::parse_loop_control(Statement& out) {
  const std::string tag = take().text;
  if (loops_ == 0) return syntax_error(out.line, fmt::format("'{}' outside a loop", tag));
  out.kind = tag == "break" ? Statement::Kind::break_loop : Statement::Kind::continue_loop;
  return {};
}

Result<Target> StatementParser::target(bool with_namespace, std::string_view stop) {
  JANG_TRY(enter());
  Target out;
  out.kind = Target::Kind::tuple;
  out.line = current().line;
  bool is_tuple = false;
  while (true) {
    if (!out.items.empty()) JANG_TRY(expect_symbol(","));
    if (current().kind == TokenKind::block_end || current().is_symbol(")") || (!stop.empty() && current().is_name(stop))) break;
    JANG_ASSIGN(Target item, one_target(with_namespace));
    out.items.push_back(std::move(item));
    if (!current().is_symbol(",")) break;
    is_tuple = true;
  }
  leave();
  if (is_tuple) return out;
  if (out.items.empty()) return unexpected("what to assign to");
  Target only = std::move(out.items.front());
  return only;
}

Result<Target> StatementParser::one_target(bool with_namespace) {
  Target out;
  out.line = current().line;
  if (skip_symbol("(")) {
    JANG_ASSIGN(out, target(false, ""));
    JANG_TRY(expect_symbol(")"));
    return out;
  }
  JANG_ASSIGN(const std::string name, expect_name());
  if (is_constant(name)) return syntax_error(out.line, fmt::format("cannot assign to '{}'", name));
  out.name = name_id(name);
  if (with_namespace && skip_symbol(".")) {
    out.kind = Target::Kind::attribute;
    JANG_ASSIGN(out.attribute, expect_name());
  }
  return out;
}

}  // namespace

Result<Template> parse_template(std::string_view source) {
  JANG_ASSIGN(std::vector<Token> tokens, tokenize(source));
  JANG_ASSIGN(Template made, StatementParser(std::move(tokens)).run());
  made.source_bytes = source.size();
  return made;
}

}  // namespace jang::text::jinja
