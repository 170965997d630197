// SPDX-License-Identifier: Apache-2.0
// Tests: `value is name(arguments)`.
#include "text/jinja/library/tests.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "text/jinja/library/parameters.h"
#include "text/jinja/runtime/arithmetic.h"
#include "text/jinja/runtime/operations.h"
#include "text/jinja/runtime/print.h"
#include "text/jinja/runtime/refused.h"

namespace jang::text::jinja {
namespace {

template <Kind... kinds>
Result<bool> is_kind(Runtime&, const Value& self, const Arguments& arguments) {
  JANG_TRY(Parameters::none("a test", arguments));
  return (self.is(kinds) || ...);
}

Result<bool> defined(Runtime&, const Value& self, const Arguments&) { return !self.is(Kind::undefined); }
Result<bool> undefined(Runtime&, const Value& self, const Arguments&) { return self.is(Kind::undefined); }
Result<bool> is_true(Runtime&, const Value& self, const Arguments&) { return self.is(Kind::boolean) && self.as_bool(); }
Result<bool> is_false(Runtime&, const Value& self, const Arguments&) { return self.is(Kind::boolean) && !self.as_bool(); }
Result<bool> is_integer(Runtime&, const Value& self, const Arguments&) { return self.is(Kind::integer) || self.is_wide_integer(); }
Result<bool> is_float(Runtime&, const Value& self, const Arguments&) { return self.is(Kind::real) && !self.is_wide_integer(); }
Result<bool> number(Runtime&, const Value& self, const Arguments&) { return self.is_number(); }
Result<bool> iterable(Runtime&, const Value& self, const Arguments&) { return is_iterable(self); }

// What has len() and can be asked for items.
Result<bool> sequence(Runtime&, const Value& self, const Arguments&) {
  return self.is(Kind::string) || self.is_sequence() || self.is(Kind::dict) || self.is(Kind::range) || self.is(Kind::undefined);
}

Result<bool> callable(Runtime&, const Value& self, const Arguments&) { return self.is(Kind::function) || self.is(Kind::undefined); }

Result<Value> other(const Arguments& arguments) {
  JANG_ASSIGN(const Parameters p, Parameters::bind("a test", arguments, std::array<std::string_view, 1>{"other"}));
  return p.required(0);
}

Result<bool> divisible(Runtime& runtime, const Value& self, const Value& by, std::int64_t remainder) {
  if (self.is(Kind::string)) return template_error("a str has no remainder");
  JANG_ASSIGN(const Value rest, arithmetic(runtime, Operator::modulo, self, by));
  return equals(runtime, rest, Value::integer(remainder));
}

Result<bool> even(Runtime& runtime, const Value& self, const Arguments&) { return divisible(runtime, self, Value::integer(2), 0); }
Result<bool> odd(Runtime& runtime, const Value& self, const Arguments&) { return divisible(runtime, self, Value::integer(2), 1); }
Result<bool> divisible_by(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_ASSIGN(const Value by, other(arguments));
  return divisible(runtime, self, by, 0);
}

Result<bool> same_as(Runtime&, const Value& self, const Arguments& arguments) {
  JANG_ASSIGN(const Value right, other(arguments));
  return self.same_as(right);
}

template <bool negated>
Result<bool> equal_to(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_ASSIGN(const Value right, other(arguments));
  JANG_ASSIGN(const bool same, equals(runtime, self, right));
  return same != negated;
}

Result<bool> in(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_ASSIGN(const Value right, other(arguments));
  return contains(runtime, right, self);
}

template <Order wanted, bool or_equal>
Result<bool> ordered(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_ASSIGN(const Value right, other(arguments));
  JANG_ASSIGN(const Order order, compare(runtime, self, right));
  return order == wanted || (or_equal && order == Order::equal);
}

constexpr auto kTests = std::to_array<TestRow>({
    {"defined", defined},
    {"undefined", undefined},
    {"none", is_kind<Kind::none>},
    {"boolean", is_kind<Kind::boolean>},
    {"true", is_true},
    {"false", is_false},
    {"integer", is_integer},
    {"float", is_float},
    {"number", number},
    {"string", is_kind<Kind::string>},
    {"mapping", is_kind<Kind::dict>},
    {"iterable", iterable},
    {"sequence", sequence},
    {"callable", callable},
    {"even", even},
    {"odd", odd},
    {"divisibleby", divisible_by},
    {"sameas", same_as},
    {"in", in},
    {"==", equal_to<false>},
    {"eq", equal_to<false>},
    {"equalto", equal_to<false>},
    {"!=", equal_to<true>},
    {"ne", equal_to<true>},
    {"<", ordered<Order::less, false>},
    {"lt", ordered<Order::less, false>},
    {"lessthan", ordered<Order::less, false>},
    {"<=", ordered<Order::less, true>},
    {"le", ordered<Order::less, true>},
    {">", ordered<Order::greater, false>},
    {"gt", ordered<Order::greater, false>},
    {"greaterthan", ordered<Order::greater, false>},
    {">=", ordered<Order::greater, true>},
    {"ge", ordered<Order::greater, true>},
});

}  // namespace

const TestRow* find_test(std::string_view name) {
  const auto at = std::find_if(kTests.begin(), kTests.end(), [&](const TestRow& t) { return t.name == name; });
  return at == kTests.end() ? nullptr : &*at;
}

Status no_such_test(std::string_view name) {
  JANG_TRY(check_offered(Feature::test, name));
  return template_error(fmt::format("there is no test {}", in_quotes(name)));
}

}  // namespace jang::text::jinja
