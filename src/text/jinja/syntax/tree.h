// SPDX-License-Identifier: Apache-2.0
// A parsed template. Chains (a + b + c, x.y[0]|f) are stored flat, so that the depth of the tree is the nesting the source wrote, which the
// parser bounds; names are numbers into Template::names.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/runtime/arithmetic.h"
#include "text/jinja/runtime/runtime.h"

namespace jang::text::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;
using Expressions = std::vector<ExpressionPtr>;

struct CallArguments {
  Expressions positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
};

// What follows a value: .name [key] [a:b:c] (arguments) |filter(arguments) is test(arguments)
struct Suffix {
  enum class Kind : std::uint8_t { attribute, item, slice, call, filter, test };
  Kind kind = Kind::attribute;
  bool negated = false;  // is not
  int line = 0;
  std::string name;                 // attribute, filter, test
  const Builtin* filter = nullptr;  // nullptr: unknown, an error when it is reached
  const TestRow* test = nullptr;
  Expressions items;  // item: the key; slice: start, stop, step, each may be null
  CallArguments arguments;
};

enum class Comparison : std::uint8_t { equal, not_equal, less, less_equal, greater, greater_equal, in, not_in };

struct Expression {
  enum class Kind : std::uint8_t {
    constant,
    name,
    list,
    tuple,
    dict,        // items: key, value, key, value ...
    arithmetic,  // items and operators between them, left to right
    comparison,  // chained
    concat,      // ~
    logical_and,
    logical_or,
    logical_not,
    minus,
    plus,
    conditional,  // items: value, condition, other (may be null)
    suffixed,     // items[0] and suffixes
  };
  Kind kind = Kind::constant;
  int line = 0;
  int name = -1;
  Value constant;
  Expressions items;
  std::vector<Operator> operators;
  std::vector<Comparison> comparisons;
  std::vector<Suffix> suffixes;
};

// What an assignment writes to.
struct Target {
  enum class Kind : std::uint8_t { name, attribute, tuple };
  Kind kind = Kind::name;
  int line = 0;
  int name = -1;          // also the namespace of an attribute
  std::string attribute;  // ns.attribute
  std::vector<Target> items;
};

struct Statement;
using Statements = std::vector<std::unique_ptr<Statement>>;

// A macro.
struct Procedure {
  std::string name;
  std::vector<int> parameters;
  Expressions defaults;  // of the last parameters
  Statements body;
  std::vector<int> hidden;  // symbols.h
};

struct Branch {
  ExpressionPtr condition;  // null: else
  Statements body;
};

struct Statement {
  enum class Kind : std::uint8_t {
    text,
    output,     // expressions
    branches,   // if
    loop,       // for
    set,        // target = expressions[0]
    set_block,  // target, optional filter chain in expressions[0] applied to the body
    macro,
    filter,  // expressions[0] is the filter chain
    with,
    generation,
    break_loop,
    continue_loop,
  };
  Kind kind = Kind::text;
  int line = 0;
  Text text;
  Expressions expressions;
  std::vector<Branch> branches;
  Target target;
  std::vector<Target> targets;  // with
  ExpressionPtr condition;      // for ... if
  Statements body, otherwise;
  std::vector<int> hidden, hidden_otherwise;  // names that start undefined in the scopes of the two (symbols.h)
  std::unique_ptr<Procedure> procedure;
};

struct Template {
  Statements body;
  std::vector<int> hidden;
  std::vector<std::string> names;
  std::vector<int> by_name;  // ids in the order of their names
  std::size_t source_bytes = 0;
  int loop = -1;  // the name `loop`; -1 when the template does not use it
};

// Id of a name, -1 when the template does not mention it.
[[nodiscard]] int find_name(const Template& source, std::string_view name);

}  // namespace jang::text::jinja
