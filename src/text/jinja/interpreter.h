// SPDX-License-Identifier: Apache-2.0
// Runs a parsed template: statements, loops and macros. Loops, macros, with, set and filter blocks open a scope; if does not.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "text/jinja/evaluator.h"

namespace jang::text::jinja {

// A macro with the scope it was defined in.
struct Macro : Entity {
  const Procedure* procedure = nullptr;
  std::shared_ptr<Scope> scope;
};

class LoopRun;

class Interpreter : public Evaluator {
 public:
  Interpreter(const Template& source, Environment environment);

  // The whole output. Errors: corrupt, unsupported, invalid_argument, with the line.
  Result<Text> run();

  Result<Value> call(const Value& callee, const Arguments& arguments) override;

 private:
  friend class LoopRun;
  enum class Flow : std::uint8_t { next, break_loop, continue_loop };
  class ScopeGuard;

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

  Text output_;
  Text* out_ = &output_;  // where text goes now: the output, or what a macro or block captures
  int calls_ = 0;
};

}  // namespace jang::text::jinja
