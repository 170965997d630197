// SPDX-License-Identifier: Apache-2.0
// Runs a parsed template. Names resolve through lexical scopes (loops, macros, with, set and filter blocks open one; if does not), then the
// caller's variables, then the global functions.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "text/jinja/syntax.h"

namespace jang::text::jinja {

// Nodes being evaluated within one another, over all macro calls: what bounds the stack.
inline constexpr int kMaxDepth = 800;
inline constexpr std::size_t kScansPerStep = 16;  // entries looked at in a linear search

struct Scope {
  explicit Scope(std::shared_ptr<Scope> outer) : parent(std::move(outer)) {}
  std::shared_ptr<Scope> parent;
  std::vector<std::pair<int, Value>> variables;

  void set(int name, Value value);
};

// A macro with the scope it was defined in.
struct Macro : Entity {
  const Procedure* procedure = nullptr;
  std::shared_ptr<Scope> scope;
};

struct Environment {
  std::uint64_t max_steps = kMaxSteps;
  std::int64_t unix_seconds = 0, utc_offset_seconds = 0;
  std::size_t max_output_bytes = 0;
  Values variables;  // by name id; missing where the caller gave none
};

class LoopRun;

class Interpreter : public Runtime {
 public:
  Interpreter(const Template& source, Environment environment);

  // The whole output. Errors: corrupt, unsupported, invalid_argument, with the line.
  Result<Text> run();

  Result<Value> call(const Value& callee, const Arguments& arguments) override;

 private:
  friend class LoopRun;
  enum class Flow : std::uint8_t { next, break_loop, continue_loop };
  class ScopeGuard;

  // --- interpreter.cpp: statements
  Result<Flow> execute(const Statements& statements);
  Result<Flow> execute(const Statement& statement);
  Result<Flow> execute_one(const Statement& statement);
  Result<Flow> execute_branches(const Statement& statement);
  Result<Flow> execute_loop(const Statement& statement);
  Result<Flow> execute_set_block(const Statement& statement);
  Result<Flow> execute_filter_block(const Statement& statement);
  Result<Flow> execute_with(const Statement& statement);
  Result<Flow> execute_in_new_scope(const Statements& statements, const std::vector<int>& hidden);
  Result<Flow> execute_captured(const Statement& statement, Text& out);
  Status hide(const std::vector<int>& names);
  Status execute_macro(const Statement& statement);
  Status write(const Value& value);
  Status check_output() const;
  Status assign(const Target& target, const Value& value);
  Status assign_attribute(const Target& target, const Value& value);
  Result<Value> call_macro(const Macro& macro, const Arguments& arguments);
  Status bind_parameters(const Macro& macro, const Arguments& arguments);

  // --- evaluate.cpp: expressions
  Result<Value> evaluate(const Expression& e);
  Result<Value> evaluate_node(const Expression& e);
  Result<Value> lookup(int name);
  [[nodiscard]] Value undefined_name(int name) const;
  Result<Value> evaluate_collection(const Expression& e);
  Result<Value> evaluate_arithmetic(const Expression& e);
  Result<Value> evaluate_comparison(const Expression& e);
  Result<bool> holds(Comparison comparison, const Value& a, const Value& b);
  Result<Value> evaluate_concat(const Expression& e);
  Result<Value> evaluate_logical(const Expression& e, bool stop_at);
  Result<Value> evaluate_conditional(const Expression& e);
  Result<Value> evaluate_suffixed(const Expression& e);
  Result<Value> apply_suffixes(const std::vector<Suffix>& suffixes, Value value);
  Result<Value> apply(const Suffix& suffix, const Value& value);
  Result<Value> apply_slice(const Suffix& suffix, const Value& value);
  Result<Value> apply_test(const Suffix& suffix, const Value& value);
  Result<Arguments> evaluate_arguments(const CallArguments& from);

  const Template& source_;
  Environment environment_;
  std::shared_ptr<Scope> scope_;
  Text output_;
  Text* out_ = &output_;  // where text goes now: the output, or what a macro or block captures
  int line_ = 0, depth_ = 0, calls_ = 0;
};

}  // namespace jang::text::jinja
