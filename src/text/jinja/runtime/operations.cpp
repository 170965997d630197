// SPDX-License-Identifier: Apache-2.0
// Truth, equality, order, membership, iteration and length, as Python defines them. Recursion is bounded by the container depth; comparing
// values that share parts many times is bounded by steps.
#include "text/jinja/runtime/operations.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace jang::text::jinja {
namespace {

constexpr std::uint64_t kStepsPerCharacter = 4;  // a character taken out of a string becomes a string of its own

Order order_of_ints(std::int64_t a, std::int64_t b) { return a < b ? Order::less : a > b ? Order::greater : Order::equal; }

Order order_of_reals(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return Order::unordered;
  return a < b ? Order::less : a > b ? Order::greater : Order::equal;
}

// Exact: an int64 as a double may round.
Order order_of(std::int64_t a, double b) {
  constexpr double kEnd = 9223372036854775808.0;
  if (std::isnan(b)) return Order::unordered;
  if (b >= kEnd) return Order::less;
  if (b < -kEnd) return Order::greater;
  const double whole = std::floor(b);
  const Order order = order_of_ints(a, static_cast<std::int64_t>(whole));
  return order == Order::equal && b > whole ? Order::less : order;
}

Order flipped(Order order) { return order == Order::less ? Order::greater : order == Order::greater ? Order::less : order; }

Order order_of_numbers(const Value& a, const Value& b) {
  if (a.is(Kind::real) && b.is(Kind::real)) return order_of_reals(a.as_real(), b.as_real());
  if (a.is(Kind::real)) return flipped(order_of(b.as_int(), a.as_real()));
  if (b.is(Kind::real)) return order_of(a.as_int(), b.as_real());
  return order_of_ints(a.as_int(), b.as_int());
}

Result<bool> equal_items(Runtime& runtime, const Values& a, const Values& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    JANG_ASSIGN(const bool same, equals(runtime, a[i], b[i]));
    if (!same) return false;
  }
  return true;
}

Result<bool> equal_dicts(Runtime& runtime, const DictData& a, const DictData& b) {
  if (a.entries.size() != b.entries.size()) return false;
  for (const auto& [key, value] : a.entries) {
    JANG_ASSIGN(const Value* other, find_key(runtime, b, key));
    if (other == nullptr) return false;
    JANG_ASSIGN(const bool same, equals(runtime, value, *other));
    if (!same) return false;
  }
  return true;
}

bool equal_ranges(const RangeData& a, const RangeData& b) {
  if (a.length != b.length || a.length == 0) return a.length == b.length;
  return a.start == b.start && (a.length == 1 || a.step == b.step);
}

Result<Order> compare_items(Runtime& runtime, const Values& a, const Values& b, std::string_view operation) {
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    JANG_ASSIGN(const bool same, equals(runtime, a[i], b[i]));
    if (!same) return compare(runtime, a[i], b[i], operation);
  }
  return order_of_ints(static_cast<std::int64_t>(a.size()), static_cast<std::int64_t>(b.size()));
}

Status not_iterable(const Value& value) { return template_error(fmt::format("'{}' object is not iterable", type_name(value))); }

Result<Values> characters(Runtime& runtime, const Text& text) {
  JANG_TRY(runtime.charge(kStepsPerCharacter * text.length()));
  Values out;
  out.reserve(text.length());
  for (Reader reader(text); !reader.at_end();) {
    reader.next();
    JANG_ASSIGN(Value c, runtime.string(text.slice(reader.begin(), reader.end())));
    out.push_back(std::move(c));
  }
  return out;
}

Result<Values> view_items(Runtime& runtime, const Value& view) {
  Values out;
  const DictData& dict = view.dict();
  JANG_TRY(runtime.charge(dict.entries.size()));
  out.reserve(dict.entries.size());
  const bool is_view = view.is(Kind::view);
  for (const auto& [key, value] : dict.entries) {
    if (!is_view || view.which_view() == View::keys) {
      out.push_back(key);
    } else if (view.which_view() == View::values) {
      out.push_back(value);
    } else {
      JANG_ASSIGN(Value pair, runtime.tuple({key, value}));
      out.push_back(std::move(pair));
    }
  }
  return out;
}

}  // namespace

bool truth(const Value& value) {
  switch (value.kind()) {
    case Kind::missing:
    case Kind::undefined:
    case Kind::none: return false;
    case Kind::boolean:
    case Kind::integer: return value.as_int() != 0;
    case Kind::real: return value.as_real() != 0;
    case Kind::string: return value.text().size() != 0;
    case Kind::list:
    case Kind::tuple: return !value.items().empty();
    case Kind::dict:
    case Kind::view: return !value.dict().entries.empty();
    case Kind::range: return value.range().length != 0;
    default: return true;
  }
}

Result<const Value*> find_key(Runtime& runtime, const DictData& dict, const Value& key) {
  if (key.is(Kind::list) || key.is(Kind::dict)) return template_error(fmt::format("unhashable type: '{}'", type_name(key)));
  if (key.is(Kind::string)) return dict.find(key.bytes());
  if (dict.only_strings) return static_cast<const Value*>(nullptr);
  for (const auto& [name, value] : dict.entries) {
    if (name.is(Kind::string)) continue;
    JANG_ASSIGN(const bool same, equals(runtime, name, key));
    if (same) return &value;
  }
  return static_cast<const Value*>(nullptr);
}

Result<bool> equals(Runtime& runtime, const Value& a, const Value& b) {
  JANG_TRY(runtime.charge(1));
  if (a.is_number() && b.is_number()) return order_of_numbers(a, b) == Order::equal;
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::missing:
    case Kind::undefined:
    case Kind::none: return true;
    case Kind::string: JANG_TRY(runtime.charge_bytes(a.text().size())); return a.bytes() == b.bytes();
    case Kind::list:
    case Kind::tuple: return a.same_as(b) ? Result<bool>(true) : equal_items(runtime, a.items(), b.items());
    case Kind::dict: return a.same_as(b) ? Result<bool>(true) : equal_dicts(runtime, a.dict(), b.dict());
    case Kind::range: return equal_ranges(a.range(), b.range());
    default: return a.same_as(b);
  }
}

Result<Order> compare(Runtime& runtime, const Value& a, const Value& b, std::string_view operation) {
  JANG_TRY(runtime.charge(1));
  if (a.is_number() && b.is_number()) return order_of_numbers(a, b);
  if (a.is(Kind::undefined)) return undefined_error(a);
  if (b.is(Kind::undefined)) return undefined_error(b);
  if (a.is(Kind::string) && b.is(Kind::string)) {
    JANG_TRY(runtime.charge_bytes(std::min(a.text().size(), b.text().size())));
    const int order = a.bytes().compare(b.bytes());  // UTF-8 sorts as its code points do
    return order < 0 ? Order::less : order > 0 ? Order::greater : Order::equal;
  }
  if (a.is_sequence() && a.kind() == b.kind()) return compare_items(runtime, a.items(), b.items(), operation);
  return template_error(fmt::format("'{}' not supported between instances of '{}' and '{}'", operation, type_name(a), type_name(b)));
}

Result<bool> contains(Runtime& runtime, const Value& container, const Value& item) {
  if (container.is(Kind::string)) {
    if (!item.is(Kind::string))
      return template_error(fmt::format("'in <string>' requires string as left operand, not {}", type_name(item)));
    JANG_TRY(runtime.charge_bytes(container.text().size()));
    return find_bytes(container.bytes(), item.bytes()) != std::string::npos;
  }
  if (container.is(Kind::dict) || (container.is(Kind::view) && container.which_view() == View::keys)) {
    JANG_ASSIGN(const Value* found, find_key(runtime, container.dict(), item));
    return found != nullptr;
  }
  if (container.is_sequence()) {
    for (const Value& candidate : container.items()) {
      JANG_ASSIGN(const bool same, equals(runtime, candidate, item));
      if (same) return true;
    }
    return false;
  }
  if (!is_iterable(container)) return template_error(fmt::format("argument of type '{}' is not iterable", type_name(container)));
  JANG_ASSIGN(const Values items, iterate(runtime, container));
  for (const Value& candidate : items) {
    JANG_ASSIGN(const bool same, equals(runtime, candidate, item));
    if (same) return true;
  }
  return false;
}

bool is_iterable(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
    case Kind::string:
    case Kind::list:
    case Kind::tuple:
    case Kind::dict:
    case Kind::view:
    case Kind::range:
    case Kind::iterator: return true;
    default: return false;
  }
}

Result<Values> iterate(Runtime& runtime, const Value& value) {
  switch (value.kind()) {
    case Kind::undefined: return Values{};
    case Kind::string: return characters(runtime, value.text());
    case Kind::list:
    case Kind::tuple: JANG_TRY(runtime.charge(value.items().size())); return value.items();
    case Kind::dict:
    case Kind::view: return view_items(runtime, value);
    case Kind::range: {
      const RangeData& range = value.range();
      JANG_TRY(runtime.charge(static_cast<std::uint64_t>(range.length)));
      Values out;
      for (std::int64_t i = 0; i < range.length; ++i) out.push_back(Value::integer(range.start + i * range.step));
      return out;
    }
    case Kind::iterator: {
      auto& source = value.entity<Iterator>();
      JANG_TRY(runtime.charge(source.items.size() - source.position));
      Values rest(source.items.begin() + static_cast<std::ptrdiff_t>(source.position), source.items.end());
      source.position = source.items.size();
      return rest;
    }
    default: return not_iterable(value);
  }
}

bool has_length(const Value& value) { return is_iterable(value) && !value.is(Kind::iterator); }

Result<std::int64_t> length(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined: return std::int64_t{0};
    case Kind::string: return static_cast<std::int64_t>(value.text().length());
    case Kind::list:
    case Kind::tuple: return static_cast<std::int64_t>(value.items().size());
    case Kind::dict:
    case Kind::view: return static_cast<std::int64_t>(value.dict().entries.size());
    case Kind::range: return value.range().length;
    default: return template_error(fmt::format("object of type '{}' has no len()", type_name(value)));
  }
}

}  // namespace jang::text::jinja
