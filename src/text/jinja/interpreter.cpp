// SPDX-License-Identifier: Apache-2.0
// Statements, macros and loops.
#include "text/jinja/interpreter.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "text/jinja/library/globals.h"
#include "text/jinja/runtime/operations.h"
#include "text/jinja/runtime/print.h"

namespace jang::text::jinja {
class Interpreter::ScopeGuard {
 public:
  ScopeGuard(Interpreter& interpreter, std::shared_ptr<Scope> parent) : interpreter_(interpreter), saved_(interpreter.scope_) {
    interpreter_.scope_ = std::make_shared<Scope>(std::move(parent));
  }
  ~ScopeGuard() { interpreter_.scope_ = std::move(saved_); }
  ScopeGuard(const ScopeGuard&) = delete;
  ScopeGuard& operator=(const ScopeGuard&) = delete;

 private:
  Interpreter& interpreter_;
  std::shared_ptr<Scope> saved_;
};

// The items of a for loop, filtered as they are reached: the condition may depend on what the body changed.
class LoopRun : public Loop {
 public:
  Interpreter* interpreter = nullptr;
  const Statement* statement = nullptr;
  std::shared_ptr<Scope> scope;  // around the loop
  Values items;

  // The next item that passes, or missing at the end.
  Result<Value> next() {
    JANG_ASSIGN(Value item, peek());
    peeked_.reset();
    if (item.is(Kind::missing)) return item;
    ++index0;
    previous_ = std::move(current_);
    current_ = item;
    return item;
  }

  Result<Value> attribute(Runtime&, std::string_view name) override {
    if (name == "index0") return Value::integer(index0);
    if (name == "index") return Value::integer(index0 + 1);
    if (name == "first") return Value::boolean(index0 == 0);
    if (name == "depth") return Value::integer(1);
    if (name == "depth0") return Value::integer(0);
    if (name == "previtem") return index0 == 0 ? Value::undefined("there is no previous item") : previous_;
    if (name == "last" || name == "nextitem") {
      JANG_ASSIGN(const Value item, peek());
      if (name == "last") return Value::boolean(item.is(Kind::missing));
      return item.is(Kind::missing) ? Value::undefined("there is no next item") : item;
    }
    if (name != "length" && name != "revindex" && name != "revindex0") return Value();
    JANG_ASSIGN(const std::int64_t n, length());
    return Value::integer(name == "length" ? n : name == "revindex" ? n - index0 : n - index0 - 1);
  }

 private:
  Result<Value> peek() {
    while (!peeked_) {
      if (position_ >= items.size()) {
        peeked_ = Value();
      } else {
        const Value candidate = items[position_++];
        JANG_ASSIGN(const bool good, passes(candidate));
        if (good) peeked_ = candidate;
      }
    }
    return *peeked_;
  }

  Result<bool> passes(const Value& candidate) {
    if (statement->condition == nullptr || filtered_) return true;
    if (busy_) return template_error("a loop is asked about its items by its own condition");
    busy_ = true;
    Result<bool> good = evaluate_condition(candidate);
    busy_ = false;
    return good;
  }

  Result<bool> evaluate_condition(const Value& candidate) {
    Interpreter::ScopeGuard guard(*interpreter, scope);
    JANG_TRY(interpreter->assign(statement->target, candidate));
    JANG_ASSIGN(const Value condition, interpreter->evaluate(*statement->condition));
    return truth(condition);
  }

  // Asking for the length filters everything that is left.
  Result<std::int64_t> length() {
    if (statement->condition != nullptr && !filtered_) {
      Values rest;
      for (; position_ < items.size(); ++position_) {
        JANG_ASSIGN(const bool good, passes(items[position_]));
        if (good) rest.push_back(items[position_]);
      }
      filtered_ = true;
      items = std::move(rest);
      position_ = 0;
    }
    const bool holds_one = peeked_ && !peeked_->is(Kind::missing);
    return index0 + 1 + (holds_one ? 1 : 0) + static_cast<std::int64_t>(items.size() - position_);
  }

  std::size_t position_ = 0;
  bool filtered_ = false, busy_ = false;
  std::optional<Value> peeked_;
  Value current_, previous_;
};

Interpreter::Interpreter(const Template& source, Environment environment) : Evaluator(source, std::move(environment)) {}

Result<Text> Interpreter::run() {
  JANG_TRY(hide(source_.hidden));
  const Result<Flow> done = execute(source_.body);
  if (!done.ok()) return done.status().with_context(fmt::format("line {}", line_));
  return std::move(output_);
}

Result<Interpreter::Flow> Interpreter::execute(const Statements& statements) {
  for (const auto& statement : statements) {
    JANG_ASSIGN(const Flow flow, execute(*statement));
    if (flow != Flow::next) return flow;
  }
  return Flow::next;
}

Result<Interpreter::Flow> Interpreter::execute(const Statement& statement) {
  JANG_TRY(charge(1));
  if (depth_ >= kMaxDepth) return Status(StatusCode::invalid_argument, "the template nests calls and blocks too deeply");
  ++depth_;
  line_ = statement.line;
  Result<Flow> flow = execute_one(statement);
  --depth_;
  return flow;
}

Result<Interpreter::Flow> Interpreter::execute_one(const Statement& statement) {
  switch (statement.kind) {
    case Statement::Kind::text:
      JANG_TRY(charge_bytes(statement.text.size()));
      out_->append(statement.text);
      JANG_TRY(check_output());
      return Flow::next;
    case Statement::Kind::output:
      for (const ExpressionPtr& e : statement.expressions) {
        JANG_ASSIGN(const Value value, evaluate(*e));
        JANG_TRY(write(value));
      }
      return Flow::next;
    case Statement::Kind::set: {
      JANG_ASSIGN(const Value value, evaluate(*statement.expressions.front()));
      JANG_TRY(assign(statement.target, value));
      return Flow::next;
    }
    case Statement::Kind::branches: return execute_branches(statement);
    case Statement::Kind::loop: return execute_loop(statement);
    case Statement::Kind::set_block: return execute_set_block(statement);
    case Statement::Kind::filter: return execute_filter_block(statement);
    case Statement::Kind::with: return execute_with(statement);
    case Statement::Kind::generation: return execute_in_new_scope(statement.body, statement.hidden);
    case Statement::Kind::macro: JANG_TRY(execute_macro(statement)); return Flow::next;
    case Statement::Kind::break_loop: return Flow::break_loop;
    case Statement::Kind::continue_loop: return Flow::continue_loop;
  }
  return Flow::next;
}

Status Interpreter::check_output() const {
  if (out_ != &output_) return check_string_size(out_->size());
  if (output_.size() <= environment_.max_output_bytes) return {};
  return {StatusCode::invalid_argument,
          fmt::format("the template writes more than {} bytes for this input", environment_.max_output_bytes)};
}

Status Interpreter::write(const Value& value) {
  JANG_TRY(print(*this, value, *out_));
  return check_output();
}

Result<Interpreter::Flow> Interpreter::execute_branches(const Statement& statement) {
  for (const Branch& branch : statement.branches) {
    if (branch.condition != nullptr) {
      JANG_ASSIGN(const Value condition, evaluate(*branch.condition));
      if (!truth(condition)) continue;
    }
    return execute(branch.body);
  }
  return Flow::next;
}

Result<Interpreter::Flow> Interpreter::execute_loop(const Statement& statement) {
  JANG_ASSIGN(const Value iterated, evaluate(*statement.expressions.front()));
  JANG_ASSIGN(Values items, iterate(*this, iterated));
  JANG_ASSIGN(LoopRun * loop, make<LoopRun>());
  loop->interpreter = this;
  loop->statement = &statement;
  loop->scope = scope_;
  loop->items = std::move(items);
  bool any = false;
  while (true) {
    JANG_TRY(charge(1));
    JANG_ASSIGN(const Value item, loop->next());
    if (item.is(Kind::missing)) break;
    ScopeGuard guard(*this, scope_);
    if (source_.loop >= 0) scope_->set(source_.loop, Value::entity(Kind::loop, loop));
    JANG_TRY(assign(statement.target, item));
    JANG_TRY(hide(statement.hidden));
    JANG_ASSIGN(const Flow flow, execute(statement.body));
    if (flow == Flow::break_loop) break;
    any |= flow == Flow::next;  // a body left by continue does not count, as in jinja
  }
  loop->items.clear();  // the loop object itself stays until the end
  loop->scope.reset();
  return any || statement.otherwise.empty() ? Flow::next : execute_in_new_scope(statement.otherwise, statement.hidden_otherwise);
}

// A hidden name matters only where something would be found further out.
Status Interpreter::hide(const std::vector<int>& names) {
  JANG_TRY(charge(names.size() / kScansPerStep));
  for (const int name : names) {
    const auto i = static_cast<std::size_t>(name);
    if (!environment_.variables[i].is(Kind::missing) || find_global(source_.names[i]) != nullptr) scope_->set(name, Value());
  }
  return {};
}

Result<Interpreter::Flow> Interpreter::execute_in_new_scope(const Statements& statements, const std::vector<int>& hidden) {
  ScopeGuard guard(*this, scope_);
  JANG_TRY(hide(hidden));
  return execute(statements);
}

Result<Interpreter::Flow> Interpreter::execute_captured(const Statement& statement, Text& out) {
  Text* const outer = out_;
  out_ = &out;
  Result<Flow> flow = execute_in_new_scope(statement.body, statement.hidden);
  out_ = outer;
  return flow;
}

Result<Interpreter::Flow> Interpreter::execute_set_block(const Statement& statement) {
  Text captured;
  JANG_ASSIGN(const Flow flow, execute_captured(statement, captured));
  if (flow != Flow::next) return flow;
  JANG_ASSIGN(Value value, string(std::move(captured)));
  if (statement.expressions.front() != nullptr) {
    JANG_ASSIGN(value, apply_suffixes(statement.expressions.front()->suffixes, std::move(value)));
  }
  JANG_TRY(assign(statement.target, value));
  return Flow::next;
}

Result<Interpreter::Flow> Interpreter::execute_filter_block(const Statement& statement) {
  Text captured;
  JANG_ASSIGN(const Flow flow, execute_captured(statement, captured));
  if (flow != Flow::next) return flow;
  JANG_ASSIGN(Value value, string(std::move(captured)));
  JANG_ASSIGN(value, apply_suffixes(statement.expressions.front()->suffixes, std::move(value)));
  JANG_TRY(write(value));
  return Flow::next;
}

Result<Interpreter::Flow> Interpreter::execute_with(const Statement& statement) {
  Values values;  // all seen from outside
  for (const ExpressionPtr& e : statement.expressions) {
    JANG_ASSIGN(Value value, evaluate(*e));
    values.push_back(std::move(value));
  }
  ScopeGuard guard(*this, scope_);
  JANG_TRY(hide(statement.hidden));
  for (std::size_t i = 0; i < values.size(); ++i) JANG_TRY(assign(statement.targets[i], values[i]));
  return execute(statement.body);
}

Status Interpreter::assign(const Target& target, const Value& value) {
  if (target.kind == Target::Kind::name) {
    JANG_TRY(charge(scope_->variables.size() / kScansPerStep));
    scope_->set(target.name, value);
    return {};
  }
  if (target.kind == Target::Kind::attribute) return assign_attribute(target, value);
  if (value.is(Kind::undefined) || !is_iterable(value))
    return value.is(Kind::undefined) ? template_error("not enough values to unpack")
                                     : template_error(fmt::format("cannot unpack '{}' object", type_name(value)));
  JANG_ASSIGN(const Values items, iterate(*this, value));
  if (items.size() != target.items.size())
    return template_error(fmt::format("expected {} values to unpack, found {}", target.items.size(), items.size()));
  for (std::size_t i = 0; i < items.size(); ++i) JANG_TRY(assign(target.items[i], items[i]));
  return {};
}

Status Interpreter::assign_attribute(const Target& target, const Value& value) {
  JANG_ASSIGN(const Value object, lookup(target.name));
  if (!object.is(Kind::space)) return template_error("an attribute can be assigned on a namespace only");
  if (is_private(target.attribute)) return template_error(fmt::format("the attribute {} is private", in_quotes(target.attribute)));
  JANG_TRY(charge(1 + object.entity<Namespace>().attributes.size() / 8));
  object.entity<Namespace>().set(target.attribute, value);
  return {};
}

Status Interpreter::execute_macro(const Statement& statement) {
  JANG_ASSIGN(Macro * macro, make<Macro>());
  macro->procedure = statement.procedure.get();
  macro->scope = scope_;
  auto data = std::make_shared<FunctionData>();
  data->macro = macro;
  data->macro_name = statement.procedure->name;
  scope_->set(statement.target.name, Value::of(Kind::function, std::move(data)));
  return {};
}

Result<Value> Interpreter::call(const Value& callee, const Arguments& arguments) {
  JANG_TRY(charge(1));
  if (callee.is(Kind::undefined)) return undefined_error(callee);
  if (!callee.is(Kind::function)) return template_error(fmt::format("'{}' object is not callable", type_name(callee)));
  const FunctionData& function = callee.function();
  if (function.builtin != nullptr) return function.builtin->run(*this, function.self, arguments);
  return call_macro(static_cast<const Macro&>(*function.macro), arguments);
}

Result<Value> Interpreter::call_macro(const Macro& macro, const Arguments& arguments) {
  if (calls_ >= kMaxCallDepth)
    return Status(StatusCode::invalid_argument, fmt::format("macros call each other deeper than {} levels", kMaxCallDepth));
  ++calls_;
  Text captured;
  Text* const outer = out_;
  out_ = &captured;
  Result<Flow> flow = [&]() -> Result<Flow> {
    ScopeGuard guard(*this, macro.scope);
    JANG_TRY(bind_parameters(macro, arguments));
    JANG_TRY(hide(macro.procedure->hidden));
    return execute(macro.procedure->body);
  }();
  out_ = outer;
  --calls_;
  if (!flow.ok()) return flow.status();
  return string(std::move(captured));
}

// Into the current, fresh scope. Defaults see the parameters before them.
Status Interpreter::bind_parameters(const Macro& macro, const Arguments& arguments) {
  const Procedure& procedure = *macro.procedure;
  const std::size_t n = procedure.parameters.size();
  const std::size_t first_default = n - procedure.defaults.size();
  JANG_TRY(charge(n * (n + arguments.named.size()) / kScansPerStep));
  std::vector<bool> used(arguments.named.size());
  for (std::size_t i = 0; i < n; ++i) {
    const int id = procedure.parameters[i];
    const std::string& name = source_.names[static_cast<std::size_t>(id)];
    Value value;
    if (i < arguments.positional.size()) {
      value = arguments.positional[i];
    } else {
      const auto at = std::find_if(arguments.named.begin(), arguments.named.end(), [&](const auto& a) { return a.first == name; });
      if (at != arguments.named.end()) {
        value = at->second;
        used[static_cast<std::size_t>(at - arguments.named.begin())] = true;
      } else if (i >= first_default) {
        JANG_ASSIGN(value, evaluate(*procedure.defaults[i - first_default]));
      } else {
        value = Value::undefined(fmt::format("parameter {} was not provided", in_quotes(name)));
      }
    }
    scope_->set(id, std::move(value));
  }
  if (const auto left = std::find(used.begin(), used.end(), false); left != used.end())
    return template_error(fmt::format("macro {} takes no keyword argument {}", in_quotes(procedure.name),
                                      in_quotes(arguments.named[static_cast<std::size_t>(left - used.begin())].first)));
  if (arguments.positional.size() > n)
    return template_error(fmt::format("macro {} takes at most {} arguments", in_quotes(procedure.name), n));
  return {};
}

}  // namespace jang::text::jinja
