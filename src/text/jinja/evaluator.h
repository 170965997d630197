// SPDX-License-Identifier: Apache-2.0
// Evaluates expressions. Names resolve through lexical scopes, then the caller's variables, then the global functions.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "text/jinja/syntax/tree.h"

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

struct Environment {
  std::uint64_t max_steps = kMaxSteps;
  std::int64_t unix_seconds = 0, utc_offset_seconds = 0;
  std::size_t max_output_bytes = 0;
  Values variables;  // by name id; missing where the caller gave none
};

class Evaluator : public Runtime {
 protected:
  Evaluator(const Template& source, Environment environment);

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
  int line_ = 0, depth_ = 0;
};

}  // namespace jang::text::jinja
