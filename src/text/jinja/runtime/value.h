// SPDX-License-Identifier: Apache-2.0
// Values of the template engine: Python's, as far as a sandboxed template can reach them.
//
// Strings, lists, tuples and dicts cannot change (the immutable sandbox of transformers forbids it), so they are shared by counted
// references and never form cycles; a container knows how deep it is nested, and Runtime refuses more than kMaxContainerDepth, which bounds
// every recursion over a value, destruction included. Things with an identity (namespaces, loops, macros, iterators) can point at each
// other; they belong to the Runtime, values hold plain pointers to them, and all go when the render ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "jang/status.h"
#include "text/jinja/runtime/text.h"

namespace jang::text::jinja {

enum class Kind : std::uint8_t {
  missing,  // no value at all: never visible to a template
  undefined,
  none,
  boolean,
  integer,
  real,
  string,
  list,
  tuple,
  dict,
  view,  // dict.keys(), .values(), .items()
  range,
  iterator,  // what map(), select() and the like return: can be gone through once
  space,     // namespace()
  loop,
  function,  // global, method bound to its object, macro
};

class Runtime;
struct Builtin;
class Value;
using Values = std::vector<Value>;

struct Data {
  Data() = default;
  Data(const Data&) = delete;
  Data& operator=(const Data&) = delete;
  virtual ~Data() = default;
};

// Owned by the Runtime.
struct Entity {
  Entity() = default;
  Entity(const Entity&) = delete;
  Entity& operator=(const Entity&) = delete;
  virtual ~Entity() = default;
};

struct StringData;
struct ListData;
struct DictData;
struct RangeData;
struct UndefinedData;
struct FunctionData;

enum class View : std::uint8_t { keys, values, items };

class Value {
 public:
  Value() = default;  // missing
  [[nodiscard]] static Value none() { return Value(Kind::none); }
  [[nodiscard]] static Value boolean(bool b);
  [[nodiscard]] static Value integer(std::int64_t i);
  [[nodiscard]] static Value real(double d);
  // An integer beyond int64, as a variable may hold one: a real in arithmetic and comparisons, but printed with all its digits.
  [[nodiscard]] static Value wide_integer(std::uint64_t i);
  // No limit is checked: for names and other short text. Text of any size goes through Runtime::string.
  [[nodiscard]] static Value short_string(std::string_view text);
  [[nodiscard]] static Value undefined(std::string message, bool is_unsafe = false);
  [[nodiscard]] static Value of(Kind kind, std::shared_ptr<const Data> data);
  [[nodiscard]] static Value view(const Value& dict, View which);
  [[nodiscard]] static Value entity(Kind kind, Entity* pointer);

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] bool is(Kind kind) const { return kind_ == kind; }
  [[nodiscard]] bool is_integral() const { return is(Kind::integer) || is(Kind::boolean); }  // bool is an int in Python
  [[nodiscard]] bool is_number() const { return is_integral() || is(Kind::real); }
  [[nodiscard]] bool is_wide_integer() const { return is(Kind::real) && data_ != nullptr; }
  [[nodiscard]] bool is_sequence() const { return is(Kind::list) || is(Kind::tuple); }

  // Preconditions: the kind fits.
  [[nodiscard]] bool as_bool() const { return scalar_.integer != 0; }
  [[nodiscard]] std::int64_t as_int() const { return scalar_.integer; }
  [[nodiscard]] double as_real() const { return is(Kind::real) ? scalar_.real : static_cast<double>(scalar_.integer); }
  [[nodiscard]] const Text& text() const;  // of strings; of wide integers the digits
  [[nodiscard]] const std::string& bytes() const { return text().bytes(); }
  [[nodiscard]] bool is_markup() const;  // of any kind
  [[nodiscard]] const Values& items() const;
  [[nodiscard]] const ListData& list() const;
  [[nodiscard]] const DictData& dict() const;  // of dicts and views
  [[nodiscard]] View which_view() const { return static_cast<View>(scalar_.integer); }
  [[nodiscard]] const RangeData& range() const;
  [[nodiscard]] const UndefinedData& undefined() const;
  [[nodiscard]] const FunctionData& function() const;
  template <typename T>
  [[nodiscard]] T& entity() const {
    return static_cast<T&>(*scalar_.pointer);
  }
  // Same object, as Python's `is` sees it.
  [[nodiscard]] bool same_as(const Value& other) const;
  // Levels of containers below and including this one.
  [[nodiscard]] int depth() const;

 private:
  explicit Value(Kind kind) : kind_(kind) {}

  Kind kind_ = Kind::missing;
  union {
    std::int64_t integer;
    double real;
    Entity* pointer;
  } scalar_ = {0};
  std::shared_ptr<const Data> data_;
};

struct StringData : Data {
  Text text;
  bool markup = false;  // result of `escape` or `safe`: `+` escapes what it is joined with
};

struct ListData : Data {  // lists and tuples
  Values items;
  int depth = 1;
};

struct DictData : Data {
  std::vector<std::pair<Value, Value>> entries;
  std::vector<std::uint32_t> by_name;  // entries with string keys, sorted by bytes; empty when there are few
  bool only_strings = true;
  int depth = 1;

  // nullptr when absent.
  [[nodiscard]] const Value* find(std::string_view key) const;
  void make_index();
};

struct RangeData : Data {
  std::int64_t start = 0, stop = 0, step = 1;
  std::int64_t length = 0;
};

struct UndefinedData : Data {
  std::string message;  // of the error that any use raises
  bool is_unsafe = false;
};

struct Iterator : Entity {
  Values items;
  std::size_t position = 0;
};

// A function and what it is bound to.
struct FunctionData : Data {
  const Builtin* builtin = nullptr;  // or:
  Entity* macro = nullptr;
  std::string macro_name;
  Value self;
};

// `loop` inside a for loop.
struct Loop : Entity {
  // missing when there is no such attribute.
  [[nodiscard]] virtual Result<Value> attribute(Runtime& runtime, std::string_view name) = 0;
  std::int64_t index0 = -1;
};

struct Namespace : Entity {
  std::vector<std::pair<std::string, Value>> attributes;
  [[nodiscard]] const Value* find(std::string_view name) const;
  void set(std::string_view name, Value value);
};

// Python's names, for messages: "str", "NoneType".
[[nodiscard]] std::string_view type_name(const Value& value);
// The first name is not a public one: jinja's sandbox keeps names with a leading underscore to itself.
[[nodiscard]] inline bool is_private(std::string_view name) { return name.starts_with('_'); }
// Type as jinja names it in messages about attributes: "dict object", "None".
[[nodiscard]] std::string object_name(const Value& value);

}  // namespace jang::text::jinja
