// SPDX-License-Identifier: Apache-2.0
// Expressions.
#include "text/jinja/evaluator.h"

#include <fmt/format.h>

#include "text/jinja/filters/filters.h"
#include "text/jinja/library/access.h"
#include "text/jinja/library/globals.h"
#include "text/jinja/library/tests.h"
#include "text/jinja/runtime/arithmetic.h"
#include "text/jinja/runtime/operations.h"
#include "text/jinja/runtime/print.h"
#include "text/jinja/runtime/refused.h"

namespace jang::text::jinja {

void Scope::set(int name, Value value) {
  for (auto& [id, old] : variables) {
    if (id == name) {
      old = std::move(value);
      return;
    }
  }
  variables.emplace_back(name, std::move(value));
}

Evaluator::Evaluator(const Template& source, Environment environment)
    : Runtime(environment.max_steps, environment.unix_seconds, environment.utc_offset_seconds),
      source_(source),
      environment_(std::move(environment)),
      scope_(std::make_shared<Scope>(nullptr)) {}

Result<Value> Evaluator::evaluate(const Expression& e) {
  JANG_TRY(charge(1));
  if (e.kind == Expression::Kind::constant) return e.constant;
  if (e.kind == Expression::Kind::name) return lookup(e.name);
  if (depth_ >= kMaxDepth) return Status(StatusCode::invalid_argument, "the template nests calls and blocks too deeply");
  ++depth_;
  Result<Value> value = evaluate_node(e);
  --depth_;
  return value;
}

Result<Value> Evaluator::evaluate_node(const Expression& e) {
  switch (e.kind) {
    case Expression::Kind::constant: return e.constant;
    case Expression::Kind::name: return lookup(e.name);
    case Expression::Kind::list:
    case Expression::Kind::tuple:
    case Expression::Kind::dict: return evaluate_collection(e);
    case Expression::Kind::arithmetic: return evaluate_arithmetic(e);
    case Expression::Kind::comparison: return evaluate_comparison(e);
    case Expression::Kind::concat: return evaluate_concat(e);
    case Expression::Kind::logical_and: return evaluate_logical(e, false);
    case Expression::Kind::logical_or: return evaluate_logical(e, true);
    case Expression::Kind::conditional: return evaluate_conditional(e);
    case Expression::Kind::suffixed: return evaluate_suffixed(e);
    case Expression::Kind::logical_not:
    case Expression::Kind::minus:
    case Expression::Kind::plus: break;
  }
  JANG_ASSIGN(const Value operand, evaluate(*e.items.front()));
  if (e.kind == Expression::Kind::logical_not) return Value::boolean(!truth(operand));
  return e.kind == Expression::Kind::minus ? negate(operand) : plus(operand);
}

Result<Value> Evaluator::lookup(int name) {
  for (const Scope* scope = scope_.get(); scope != nullptr; scope = scope->parent.get()) {
    JANG_TRY(charge(scope->variables.size() / kScansPerStep));
    for (const auto& [id, value] : scope->variables)
      if (id == name) return value.is(Kind::missing) ? undefined_name(name) : value;
  }
  const Value& given = environment_.variables[static_cast<std::size_t>(name)];
  if (!given.is(Kind::missing)) return given;
  const std::string& text = source_.names[static_cast<std::size_t>(name)];
  if (const Builtin* global = find_global(text); global != nullptr) return bound(*global, Value::none());
  JANG_TRY(check_offered(Feature::function, text));
  return undefined_name(name);
}

Value Evaluator::undefined_name(int name) const {
  return Value::undefined(fmt::format("{} is undefined", in_quotes(source_.names[static_cast<std::size_t>(name)])));
}

Result<Value> Evaluator::evaluate_collection(const Expression& e) {
  Values items;
  items.reserve(e.items.size());
  for (const ExpressionPtr& item : e.items) {
    JANG_ASSIGN(Value value, evaluate(*item));
    items.push_back(std::move(value));
  }
  if (e.kind == Expression::Kind::list) return list(std::move(items));
  if (e.kind == Expression::Kind::tuple) return tuple(std::move(items));
  std::vector<std::pair<Value, Value>> entries;
  for (std::size_t i = 0; i + 1 < items.size(); i += 2) entries.emplace_back(std::move(items[i]), std::move(items[i + 1]));
  return dict(std::move(entries));
}

Result<Value> Evaluator::evaluate_arithmetic(const Expression& e) {
  JANG_ASSIGN(Value left, evaluate(*e.items.front()));
  for (std::size_t i = 0; i < e.operators.size(); ++i) {
    JANG_ASSIGN(const Value right, evaluate(*e.items[i + 1]));
    JANG_ASSIGN(left, arithmetic(*this, e.operators[i], left, right));
  }
  return left;
}

Result<bool> Evaluator::holds(Comparison comparison, const Value& a, const Value& b) {
  switch (comparison) {
    case Comparison::equal: return equals(*this, a, b);
    case Comparison::in: return contains(*this, b, a);
    case Comparison::not_equal:
    case Comparison::not_in: {
      JANG_ASSIGN(const bool positive, comparison == Comparison::not_in ? contains(*this, b, a) : equals(*this, a, b));
      return !positive;
    }
    default: break;
  }
  static constexpr std::string_view kNames[] = {"==", "!=", "<", "<=", ">", ">="};
  JANG_ASSIGN(const Order order, compare(*this, a, b, kNames[static_cast<std::size_t>(comparison)]));
  switch (comparison) {
    case Comparison::less: return order == Order::less;
    case Comparison::less_equal: return order == Order::less || order == Order::equal;
    case Comparison::greater: return order == Order::greater;
    default: return order == Order::greater || order == Order::equal;
  }
}

Result<Value> Evaluator::evaluate_comparison(const Expression& e) {
  JANG_ASSIGN(Value left, evaluate(*e.items.front()));
  for (std::size_t i = 0; i < e.comparisons.size(); ++i) {
    JANG_ASSIGN(Value right, evaluate(*e.items[i + 1]));
    JANG_ASSIGN(const bool good, holds(e.comparisons[i], left, right));
    if (!good) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Result<Value> Evaluator::evaluate_concat(const Expression& e) {
  Text out;
  for (const ExpressionPtr& item : e.items) {
    JANG_ASSIGN(const Value value, evaluate(*item));
    JANG_TRY(print(*this, value, out));
    JANG_TRY(check_string_size(out.size()));
  }
  return string(std::move(out));
}

// The first operand whose truth is `stop_at`, or the last.
Result<Value> Evaluator::evaluate_logical(const Expression& e, bool stop_at) {
  for (std::size_t i = 0; i + 1 < e.items.size(); ++i) {
    JANG_ASSIGN(Value value, evaluate(*e.items[i]));
    if (truth(value) == stop_at) return value;
  }
  return evaluate(*e.items.back());
}

Result<Value> Evaluator::evaluate_conditional(const Expression& e) {
  JANG_ASSIGN(const Value condition, evaluate(*e.items[1]));
  if (truth(condition)) return evaluate(*e.items[0]);
  if (e.items[2] != nullptr) return evaluate(*e.items[2]);
  return Value::undefined(fmt::format("the inline if-expression on line {} was false and has no else", e.line));
}

Result<Value> Evaluator::evaluate_suffixed(const Expression& e) {
  JANG_ASSIGN(Value value, evaluate(*e.items.front()));
  return apply_suffixes(e.suffixes, std::move(value));
}

Result<Value> Evaluator::apply_suffixes(const std::vector<Suffix>& suffixes, Value value) {
  for (const Suffix& suffix : suffixes) {
    JANG_TRY(charge(1));
    line_ = suffix.line;
    JANG_ASSIGN(value, apply(suffix, value));
  }
  return value;
}

Result<Value> Evaluator::apply(const Suffix& suffix, const Value& value) {
  switch (suffix.kind) {
    case Suffix::Kind::attribute: return get_attribute(*this, value, suffix.name);
    case Suffix::Kind::item: {
      JANG_ASSIGN(const Value key, evaluate(*suffix.items.front()));
      return get_item(*this, value, key);
    }
    case Suffix::Kind::slice: return apply_slice(suffix, value);
    case Suffix::Kind::test: return apply_test(suffix, value);
    case Suffix::Kind::call: {
      JANG_ASSIGN(const Arguments arguments, evaluate_arguments(suffix.arguments));
      line_ = suffix.line;
      return call(value, arguments);
    }
    case Suffix::Kind::filter: {
      JANG_ASSIGN(const Arguments arguments, evaluate_arguments(suffix.arguments));
      return suffix.filter != nullptr ? suffix.filter->run(*this, value, arguments) : no_such_filter(suffix.name);
    }
  }
  return value;
}

Result<Value> Evaluator::apply_slice(const Suffix& suffix, const Value& value) {
  Value parts[3];
  for (std::size_t i = 0; i < 3; ++i) {
    if (suffix.items[i] == nullptr) continue;
    JANG_ASSIGN(parts[i], evaluate(*suffix.items[i]));
  }
  return get_slice(*this, value, parts[0], parts[1], parts[2]);
}

Result<Value> Evaluator::apply_test(const Suffix& suffix, const Value& value) {
  JANG_ASSIGN(const Arguments arguments, evaluate_arguments(suffix.arguments));
  if (suffix.test == nullptr) return no_such_test(suffix.name);
  JANG_ASSIGN(const bool holds, suffix.test->run(*this, value, arguments));
  return Value::boolean(holds != suffix.negated);
}

Result<Arguments> Evaluator::evaluate_arguments(const CallArguments& from) {
  Arguments out;
  for (const ExpressionPtr& e : from.positional) {
    JANG_ASSIGN(Value value, evaluate(*e));
    out.positional.push_back(std::move(value));
  }
  for (const auto& [name, e] : from.named) {
    JANG_ASSIGN(Value value, evaluate(*e));
    out.named.emplace_back(name, std::move(value));
  }
  return out;
}

}  // namespace jang::text::jinja
