// SPDX-License-Identifier: Apache-2.0
// Python's arithmetic. Integers are 64 bits: where Python would go on with a longer one, this is an error.
#include "text/jinja/runtime/arithmetic.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "base/checked.h"
#include "text/jinja/runtime/refused.h"
#include "text/jinja/runtime/strings.h"

namespace jang::text::jinja {
namespace {

std::string_view symbol(Operator op) {
  switch (op) {
    case Operator::add: return "+";
    case Operator::subtract: return "-";
    case Operator::multiply: return "*";
    case Operator::divide: return "/";
    case Operator::floor_divide: return "//";
    case Operator::modulo: return "%";
  }
  return "?";
}

Status bad_operands(Operator op, const Value& a, const Value& b) {
  return template_error(fmt::format("unsupported operand types for {}: '{}' and '{}'", symbol(op), type_name(a), type_name(b)));
}

Status overflow() { return {StatusCode::invalid_argument, "the template computes an integer beyond 64 bits"}; }
Status division_by_zero() { return template_error("division by zero"); }

Result<Value> integer_or_overflow(std::optional<std::int64_t> value) {
  if (!value) return overflow();
  return Value::integer(*value);
}

// Python rounds towards minus infinity; C++ towards zero.
Result<Value> floor_divide(std::int64_t a, std::int64_t b) {
  if (b == 0) return division_by_zero();
  if (b == -1) {
    std::int64_t negated = 0;
    return __builtin_sub_overflow(std::int64_t{0}, a, &negated) ? Result<Value>(overflow()) : Value::integer(negated);
  }
  return Value::integer(a / b - ((a % b != 0) && ((a < 0) != (b < 0)) ? 1 : 0));
}

Result<Value> modulo(std::int64_t a, std::int64_t b) {
  if (b == 0) return division_by_zero();
  if (b == -1) return Value::integer(0);
  const std::int64_t r = a % b;
  return Value::integer(r != 0 && ((r < 0) != (b < 0)) ? r + b : r);
}

Result<Value> integers(Operator op, std::int64_t a, std::int64_t b) {
  switch (op) {
    case Operator::add: return integer_or_overflow(checked_add(a, b));
    case Operator::subtract: {
      std::int64_t difference = 0;
      if (__builtin_sub_overflow(a, b, &difference)) return overflow();
      return Value::integer(difference);
    }
    case Operator::multiply: return integer_or_overflow(checked_mul(a, b));
    case Operator::divide:
      if (b == 0) return division_by_zero();
      return Value::real(static_cast<double>(a) / static_cast<double>(b));
    case Operator::floor_divide: return floor_divide(a, b);
    case Operator::modulo: return modulo(a, b);
  }
  return overflow();
}

Result<Value> reals(Operator op, double a, double b) {
  switch (op) {
    case Operator::add: return Value::real(a + b);
    case Operator::subtract: return Value::real(a - b);
    case Operator::multiply: return Value::real(a * b);
    case Operator::divide:
      if (b == 0) return division_by_zero();
      return Value::real(a / b);
    case Operator::floor_divide:
    case Operator::modulo: {
      if (b == 0) return division_by_zero();
      double r = std::fmod(a, b);
      double quotient = (a - r) / b;
      if (r != 0 && ((r < 0) != (b < 0))) r += b, quotient -= 1;
      if (op == Operator::modulo) return Value::real(r == 0 ? std::copysign(0.0, b) : r);
      const double whole = std::floor(quotient);
      return Value::real(quotient == 0 ? std::copysign(0.0, a / b) : quotient - whole > 0.5 ? whole + 1 : whole);
    }
  }
  return overflow();
}

Result<Value> repeat(Runtime& runtime, const Value& value, std::int64_t times) {
  const auto n = static_cast<std::uint64_t>(std::max<std::int64_t>(times, 0));
  if (value.is(Kind::string)) {
    const Text& text = value.text();
    if (text.size() == 0 || n == 0) return runtime.string(Text());
    JANG_TRY(Runtime::check_string_size(n > kMaxStringBytes ? n : n * text.size()));
    JANG_TRY(runtime.charge(n));
    Text out;
    for (std::uint64_t i = 0; i < n; ++i) out.append(text);
    return runtime.string(std::move(out), value.is_markup());
  }
  const Values& items = value.items();
  const std::uint64_t total = items.empty() ? 0 : n > kMaxSteps ? n : n * items.size();
  JANG_TRY(runtime.charge(total));
  Values out;
  for (std::uint64_t i = 0; i < n && !items.empty(); ++i) out.insert(out.end(), items.begin(), items.end());
  return value.is(Kind::list) ? runtime.list(std::move(out)) : runtime.tuple(std::move(out));
}

Result<Value> join_strings(Runtime& runtime, const Value& a, const Value& b) {
  const bool markup = a.is_markup() || b.is_markup();
  Text out = markup && !a.is_markup() ? escape_html(a.text()) : a.text();
  out.append(markup && !b.is_markup() ? escape_html(b.text()) : b.text());
  return runtime.string(std::move(out), markup);
}

Result<Value> join_items(Runtime& runtime, const Value& a, const Value& b) {
  JANG_TRY(runtime.charge(a.items().size() + b.items().size()));
  Values out = a.items();
  out.insert(out.end(), b.items().begin(), b.items().end());
  return a.is(Kind::list) ? runtime.list(std::move(out)) : runtime.tuple(std::move(out));
}

}  // namespace

Result<Value> arithmetic(Runtime& runtime, Operator op, const Value& a, const Value& b) {
  if (a.is_integral() && b.is_integral()) return integers(op, a.as_int(), b.as_int());
  if (a.is_number() && b.is_number()) return reals(op, a.as_real(), b.as_real());
  if (op == Operator::modulo && a.is(Kind::string)) return not_supported("formatting with the operator % ('%s' % x)");
  if (a.is(Kind::undefined)) return undefined_error(a);
  if (b.is(Kind::undefined)) return undefined_error(b);
  if (op == Operator::add && a.is(Kind::string) && b.is(Kind::string)) return join_strings(runtime, a, b);
  if (op == Operator::add && a.is_sequence() && a.kind() == b.kind()) return join_items(runtime, a, b);
  if (op == Operator::multiply && (a.is(Kind::string) || a.is_sequence()) && b.is_integral()) return repeat(runtime, a, b.as_int());
  if (op == Operator::multiply && (b.is(Kind::string) || b.is_sequence()) && a.is_integral()) return repeat(runtime, b, a.as_int());
  return bad_operands(op, a, b);
}

Result<Value> negate(const Value& value) {
  if (value.is(Kind::real)) return Value::real(-value.as_real());
  if (value.is_integral()) return integers(Operator::subtract, 0, value.as_int());
  if (value.is(Kind::undefined)) return undefined_error(value);
  return template_error(fmt::format("bad operand type for unary -: '{}'", type_name(value)));
}

Result<Value> plus(const Value& value) {
  if (value.is(Kind::real)) return value;
  if (value.is_integral()) return Value::integer(value.as_int());
  if (value.is(Kind::undefined)) return undefined_error(value);
  return template_error(fmt::format("bad operand type for unary +: '{}'", type_name(value)));
}

}  // namespace jang::text::jinja
