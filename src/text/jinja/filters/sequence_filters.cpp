// SPDX-License-Identifier: Apache-2.0
// Filters over sequences as a whole: first, last, length, sort, unique ...
#include "text/jinja/filters/sequence_filters.h"

#include <algorithm>
#include <array>
#include <numeric>

#include <fmt/format.h>

#include "base/utf8.h"
#include "text/jinja/library/access.h"
#include "text/jinja/library/parameters.h"
#include "text/jinja/runtime/arithmetic.h"
#include "text/jinja/runtime/operations.h"
#include "text/jinja/runtime/refused.h"
#include "text/jinja/runtime/strings.h"

namespace jang::text::jinja {
namespace {

Result<Value> default_filter(Runtime&, const Value& self, const Arguments& arguments) {
  JANG_ASSIGN(const Parameters p, Parameters::bind("default", arguments, std::array<std::string_view, 2>{"default_value", "boolean"}));
  const bool replaced = self.is(Kind::undefined) || (p.flag(1, false) && !truth(self));
  if (!replaced) return self;
  return p.has(0) ? p[0] : Value::short_string("");
}

Result<Value> length_filter(Runtime&, const Value& self, const Arguments& arguments) {
  JANG_TRY(Parameters::none("length", arguments));
  JANG_ASSIGN(const std::int64_t n, length(self));
  return Value::integer(n);
}

Result<Value> list_filter(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_TRY(Parameters::none("list", arguments));
  JANG_ASSIGN(Values items, iterate(runtime, self));
  return runtime.list(std::move(items));
}

// One item at either end without going through all of them.
Result<Value> first(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_TRY(Parameters::none("first", arguments));
  if (self.is(Kind::iterator)) {
    auto& source = self.entity<Iterator>();
    if (source.position < source.items.size()) return source.items[source.position++];
  } else if (self.is(Kind::dict)) {
    if (!self.dict().entries.empty()) return self.dict().entries.front().first;
  } else if (is_iterable(self) && truth(self)) {
    if (self.is(Kind::view)) {
      JANG_ASSIGN(const Values items, iterate(runtime, self));
      return items.front();
    }
    return get_item(runtime, self, Value::integer(0));
  } else if (!is_iterable(self)) {
    return template_error(fmt::format("'{}' object is not iterable", type_name(self)));
  }
  return Value::undefined("No first item, sequence was empty.");
}

Result<Value> last(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_TRY(Parameters::none("last", arguments));
  if (self.is(Kind::iterator) || !is_iterable(self)) return template_error(fmt::format("'{}' object is not reversible", type_name(self)));
  if (!truth(self)) return Value::undefined("No last item, sequence was empty.");
  if (self.is(Kind::dict)) return self.dict().entries.back().first;
  if (self.is(Kind::view)) {
    JANG_ASSIGN(const Values items, iterate(runtime, self));
    return items.back();
  }
  return get_item(runtime, self, Value::integer(-1));
}

Result<Value> reverse(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_TRY(Parameters::none("reverse", arguments));
  if (self.is(Kind::string)) {
    const Text& text = self.text();
    JANG_TRY(runtime.charge(text.length() / 8));
    Text out;
    for (std::size_t end = text.size(); end > 0;) {
      std::size_t begin = end - 1;
      while (utf8::is_continuation(text.bytes()[begin])) --begin;
      out.append(text, begin, end);
      end = begin;
    }
    return runtime.string(std::move(out), self.is_markup());
  }
  if (!is_iterable(self)) return template_error("argument must be iterable");
  const bool was_iterator = self.is(Kind::iterator);
  JANG_ASSIGN(Values items, iterate(runtime, self));
  std::reverse(items.begin(), items.end());
  return was_iterator ? runtime.list(std::move(items)) : runtime.iterator(std::move(items));
}

// How keys compare inside lists: what is equal need not be comparable.
Result<Order> compare_in_lists(Runtime& runtime, const Value& a, const Value& b) {
  JANG_ASSIGN(const bool same, equals(runtime, a, b));
  return same ? Result<Order>(Order::equal) : compare(runtime, a, b);
}

// Order of `keys`, stable. Errors: keys that cannot be compared.
Result<std::vector<std::size_t>> sorted_order(Runtime& runtime, const Values& keys, bool descending, bool in_lists = false) {
  std::vector<std::size_t> order(keys.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  Status failure;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    if (!failure.ok()) return false;
    const Value& left = keys[descending ? b : a];
    const Value& right = keys[descending ? a : b];
    const Result<Order> o = in_lists ? compare_in_lists(runtime, left, right) : compare(runtime, left, right);
    if (!o.ok()) failure = o.status();
    return o.ok() && o.value() == Order::less;
  });
  if (!failure.ok()) return failure;
  return order;
}

// Strings in small letters, other values as they are: how sorting filters compare unless asked otherwise.
Result<Value> ignore_case(Runtime& runtime, const Value& value) {
  if (!value.is(Kind::string)) return value;
  return runtime.string(to_lower(value.text()));
}

Result<Values> keys_of(Runtime& runtime, const Values& items, const Value& attribute, bool case_sensitive) {
  Values keys;
  keys.reserve(items.size());
  for (const Value& item : items) {
    JANG_ASSIGN(Value key, get_path(runtime, item, attribute));
    if (!case_sensitive) {
      JANG_ASSIGN(key, ignore_case(runtime, key));
    }
    keys.push_back(std::move(key));
  }
  return keys;
}

Result<Value> sort(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_ASSIGN(const Parameters p,
              Parameters::bind("sort", arguments, std::array<std::string_view, 3>{"reverse", "case_sensitive", "attribute"}));
  JANG_ASSIGN(const Values items, iterate(runtime, self));
  if (p.has(2) && p[2].is(Kind::string) && p[2].bytes().find(',') != std::string::npos)
    return not_supported("sorting by several attributes");
  JANG_ASSIGN(const Values keys, keys_of(runtime, items, p[2], p.flag(1, false)));
  JANG_ASSIGN(const std::vector<std::size_t> order, sorted_order(runtime, keys, p.flag(0, false), true));
  Values out;
  for (const std::size_t i : order) out.push_back(items[i]);
  return runtime.list(std::move(out));
}

Result<Value> dictsort(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_ASSIGN(const Parameters p,
              Parameters::bind("dictsort", arguments, std::array<std::string_view, 3>{"case_sensitive", "by", "reverse"}));
  std::string by = "key";
  if (p.has(1)) {
    JANG_ASSIGN(const Text* given, p.text(1));
    by = given->bytes();
  }
  if (by != "key" && by != "value") return template_error("dictsort sorts by 'key' or 'value'");
  if (!self.is(Kind::dict))
    return self.is(Kind::undefined) ? undefined_error(self)
                                    : template_error(fmt::format("'{}' object has no attribute 'items'", type_name(self)));
  JANG_ASSIGN(const Values pairs, iterate(runtime, Value::view(self, View::items)));
  JANG_ASSIGN(const Values keys, keys_of(runtime, pairs, Value::integer(by == "key" ? 0 : 1), p.flag(0, false)));
  JANG_ASSIGN(const std::vector<std::size_t> order, sorted_order(runtime, keys, p.flag(2, false)));
  Values out;
  for (const std::size_t i : order) out.push_back(pairs[i]);
  return runtime.list(std::move(out));
}

Result<Value> unique(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_ASSIGN(const Parameters p, Parameters::bind("unique", arguments, std::array<std::string_view, 2>{"case_sensitive", "attribute"}));
  JANG_ASSIGN(const Values items, iterate(runtime, self));
  JANG_ASSIGN(const Values keys, keys_of(runtime, items, p[1], p.flag(0, false)));
  Values out, seen;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (keys[i].is(Kind::list) || keys[i].is(Kind::dict)) return template_error(fmt::format("unhashable type: '{}'", type_name(keys[i])));
    bool known = false;
    for (const Value& key : seen) {
      JANG_ASSIGN(known, equals(runtime, key, keys[i]));
      if (known) break;
    }
    if (known) continue;
    seen.push_back(keys[i]);
    out.push_back(items[i]);
  }
  return runtime.iterator(std::move(out));
}

template <Order wanted>
Result<Value> extreme(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_ASSIGN(const Parameters p, Parameters::bind("min", arguments, std::array<std::string_view, 2>{"case_sensitive", "attribute"}));
  JANG_ASSIGN(const Values items, iterate(runtime, self));
  if (items.empty()) return Value::undefined("No aggregated item, sequence was empty.");
  JANG_ASSIGN(const Values keys, keys_of(runtime, items, p[1], p.flag(0, false)));
  std::size_t best = 0;
  for (std::size_t i = 1; i < items.size(); ++i) {
    JANG_ASSIGN(const Order order, compare(runtime, keys[i], keys[best]));
    if (order == wanted) best = i;
  }
  return items[best];
}

Result<Value> sum(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_ASSIGN(const Parameters p, Parameters::bind("sum", arguments, std::array<std::string_view, 2>{"attribute", "start"}));
  JANG_ASSIGN(const Values items, iterate(runtime, self));
  Value total = p.has(1) ? p[1] : Value::integer(0);
  if (total.is(Kind::string)) return template_error("sum() can't sum strings");
  for (const Value& item : items) {
    JANG_ASSIGN(const Value value, p.has_value(0) ? get_path(runtime, item, p[0]) : item);
    JANG_ASSIGN(total, arithmetic(runtime, Operator::add, total, value));
  }
  return total;
}

Result<Value> items_filter(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_TRY(Parameters::none("items", arguments));
  if (self.is(Kind::undefined)) return runtime.iterator({});
  if (!self.is(Kind::dict)) return template_error("Can only get item pairs from a mapping.");
  JANG_ASSIGN(Values pairs, iterate(runtime, Value::view(self, View::items)));
  return runtime.iterator(std::move(pairs));
}

constexpr auto kSequenceFilters = std::to_array<Builtin>({
    {"default", default_filter},
    {"d", default_filter},
    {"length", length_filter},
    {"count", length_filter},
    {"list", list_filter},
    {"first", first},
    {"last", last},
    {"reverse", reverse},
    {"sort", sort},
    {"dictsort", dictsort},
    {"unique", unique},
    {"min", extreme<Order::less>},
    {"max", extreme<Order::greater>},
    {"sum", sum},
    {"items", items_filter},
});

}  // namespace

std::span<const Builtin> sequence_filters() { return kSequenceFilters; }

}  // namespace jang::text::jinja
