// SPDX-License-Identifier: Apache-2.0
// Attributes, items and slices under jinja's rules: `a.b` tries Python's attribute first (so `d.items` is the method even when the dict has
// such a key) and then the item; `a['b']` the other way round; what does not exist is undefined, and so is what the sandbox forbids, but
// then any use of it is an error.
#include "text/jinja/library/access.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "base/utf8.h"
#include "text/jinja/library/methods.h"
#include "text/jinja/library/string_methods.h"
#include "text/jinja/runtime/operations.h"
#include "text/jinja/runtime/print.h"
#include "text/jinja/runtime/refused.h"

namespace jang::text::jinja {
namespace {

constexpr std::array<std::string_view, 5> kChangesDict = {"clear", "pop", "popitem", "setdefault", "update"};
constexpr std::array<std::string_view, 8> kChangesList = {"append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"};

Value no_attribute(const Value& object, std::string_view name) {
  return Value::undefined(fmt::format("'{}' has no attribute {}", object_name(object), in_quotes(name)));
}

Result<Value> no_element(Runtime& runtime, const Value& object, const Value& key) {
  if (key.is(Kind::string)) return no_attribute(object, key.bytes());
  Text shown;
  if (!key.is(Kind::missing)) JANG_TRY(print_repr(runtime, key, shown));
  return Value::undefined(fmt::format("{} has no element {}", object_name(object), shown.bytes()));
}

Value unsafe(const Value& object, std::string_view name) {
  return Value::undefined(fmt::format("access to attribute {} of '{}' object is unsafe", in_quotes(name), type_name(object)), true);
}

template <std::size_t N>
bool is_one_of(std::string_view name, const std::array<std::string_view, N>& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

const Builtin* find_method(const Value& object, std::string_view name) {
  switch (object.kind()) {
    case Kind::string: return find_string_method(name);
    case Kind::dict: return find_dict_method(name);
    case Kind::loop: return find_loop_method(name);
    default: return nullptr;
  }
}

Status check_method_offered(const Value& object, std::string_view name) {
  switch (object.kind()) {
    case Kind::string: return check_offered(Feature::string_method, name);
    case Kind::dict: return check_offered(Feature::dict_method, name);
    case Kind::list: return check_offered(Feature::list_method, name);
    case Kind::tuple: return check_offered(Feature::tuple_method, name);
    case Kind::loop: return check_offered(Feature::loop_method, name);
    default: return {};
  }
}

// Python's getattr(); missing when there is no such attribute.
Result<Value> python_attribute(Runtime& runtime, const Value& object, std::string_view name) {
  if (object.is(Kind::space)) {
    JANG_TRY(runtime.charge(object.entity<Namespace>().attributes.size() / 16));
    const Value* found = object.entity<Namespace>().find(name);
    return found == nullptr ? Value() : is_private(name) ? unsafe(object, name) : *found;
  }
  if (name.starts_with("__")) return name.ends_with("__") ? unsafe(object, name) : Value();
  if (object.is(Kind::dict) && is_one_of(name, kChangesDict)) return unsafe(object, name);
  if (object.is(Kind::list) && is_one_of(name, kChangesList)) return unsafe(object, name);
  if (object.is(Kind::loop)) {
    JANG_ASSIGN(Value found, object.entity<Loop>().attribute(runtime, name));
    if (!found.is(Kind::missing)) return found;
  }
  const Builtin* method = find_method(object, name);
  if (method != nullptr) return runtime.bound(*method, object);
  JANG_TRY(check_method_offered(object, name));
  return Value();
}

std::optional<std::size_t> position(std::int64_t index, std::size_t length) {
  const auto n = static_cast<std::int64_t>(length);
  if (index < 0) index += n;
  return index < 0 || index >= n ? std::nullopt : std::optional<std::size_t>(static_cast<std::size_t>(index));
}

Result<Value> character(Runtime& runtime, const Value& object, std::size_t index) {
  const Text& text = object.text();
  if (!text.is_ascii()) JANG_TRY(runtime.charge_bytes(text.size()));
  const std::size_t begin = text.byte_of(index);
  return runtime.string(text.slice(begin, begin + utf8::length_at(text.bytes()[begin])), object.is_markup());
}

// Python's obj[key]; missing where Python raises TypeError or LookupError.
Result<Value> python_item(Runtime& runtime, const Value& object, const Value& key) {
  if (object.is(Kind::dict)) {
    if (key.is(Kind::list) || key.is(Kind::dict)) return Value();
    JANG_ASSIGN(const Value* found, find_key(runtime, object.dict(), key));
    return found == nullptr ? Value() : *found;
  }
  if (!key.is_integral()) return Value();
  const std::int64_t index = key.as_int();
  if (object.is(Kind::string)) {
    const auto at = position(index, object.text().length());
    return at ? character(runtime, object, *at) : Result<Value>(Value());
  }
  if (object.is_sequence()) {
    const auto at = position(index, object.items().size());
    return at ? object.items()[*at] : Value();
  }
  if (object.is(Kind::range)) {
    const auto at = position(index, static_cast<std::size_t>(object.range().length));
    return at ? Value::integer(object.range().start + static_cast<std::int64_t>(*at) * object.range().step) : Value();
  }
  return Value();
}

// Indices of a slice, as Python's slice.indices().
struct Slice {
  std::int64_t start = 0, step = 1;
  std::size_t count = 0;
};

std::int64_t clamp_index(const Value& index, std::int64_t length, std::int64_t when_absent, bool backwards) {
  if (index.is(Kind::missing) || index.is(Kind::none)) return when_absent;
  std::int64_t i = index.as_int();
  if (i < 0) i = i < -length ? (backwards ? -1 : 0) : i + length;
  return std::min(i, backwards ? length - 1 : length);
}

Result<Slice> resolve_slice(const Value& start, const Value& stop, const Value& step, std::size_t length) {
  Slice out;
  if (step.is_integral()) out.step = step.as_int();
  if (out.step == 0) return template_error("slice step cannot be zero");
  const auto n = static_cast<std::int64_t>(length);
  out.step = std::clamp<std::int64_t>(out.step, -n - 1, n + 1);  // a longer step ends the slice just the same
  const bool backwards = out.step < 0;
  out.start = clamp_index(start, n, backwards ? n - 1 : 0, backwards);
  const std::int64_t end = clamp_index(stop, n, backwards ? -1 : n, backwards);
  if (backwards ? out.start > end : out.start < end)
    out.count = static_cast<std::size_t>(backwards ? (out.start - end - 1) / -out.step + 1 : (end - out.start - 1) / out.step + 1);
  return out;
}

Result<Value> slice_text(Runtime& runtime, const Value& object, const Slice& slice) {
  const Text& text = object.text();
  if (!text.is_ascii() || slice.step != 1) JANG_TRY(runtime.charge_bytes(text.size()));
  if (slice.count == 0) return runtime.string(Text());
  if (slice.step == 1) {
    const std::size_t begin = text.byte_of(static_cast<std::size_t>(slice.start));
    const std::size_t end = text.byte_of(static_cast<std::size_t>(slice.start) + slice.count);
    return runtime.string(text.slice(begin, end), object.is_markup());
  }
  JANG_TRY(runtime.charge(text.length() / 4 + slice.count));
  std::vector<std::size_t> starts;
  for (std::size_t at = 0; at < text.size(); at += utf8::length_at(text.bytes()[at])) starts.push_back(at);
  Text out;
  for (std::size_t i = 0; i < slice.count; ++i) {
    const std::size_t at = starts[static_cast<std::size_t>(slice.start + static_cast<std::int64_t>(i) * slice.step)];
    out.append(text, at, at + utf8::length_at(text.bytes()[at]));
  }
  return runtime.string(std::move(out), object.is_markup());
}

bool is_slice_index(const Value& v) { return v.is(Kind::missing) || v.is(Kind::none) || v.is_integral(); }

}  // namespace

Result<Value> get_attribute(Runtime& runtime, const Value& object, std::string_view name) {
  if (object.is(Kind::undefined)) return undefined_error(object);
  JANG_ASSIGN(Value found, python_attribute(runtime, object, name));
  if (!found.is(Kind::missing)) return found;
  if (object.is(Kind::dict)) {
    const Value* entry = object.dict().find(name);
    if (entry != nullptr) return *entry;
  }
  return no_attribute(object, name);
}

Result<Value> get_item(Runtime& runtime, const Value& object, const Value& key) {
  if (object.is(Kind::undefined)) return undefined_error(object);
  JANG_ASSIGN(Value found, python_item(runtime, object, key));
  if (!found.is(Kind::missing)) return found;
  if (key.is(Kind::string)) {
    JANG_ASSIGN(Value attribute, python_attribute(runtime, object, key.bytes()));
    if (!attribute.is(Kind::missing)) return attribute;
  }
  return no_element(runtime, object, key);
}

Result<Value> get_slice(Runtime& runtime, const Value& object, const Value& start, const Value& stop, const Value& step) {
  if (object.is(Kind::undefined)) return undefined_error(object);
  const bool sliceable = object.is(Kind::string) || object.is_sequence() || object.is(Kind::range);
  if (!sliceable) return template_error(fmt::format("'{}' object cannot be sliced", type_name(object)));
  if (!is_slice_index(start) || !is_slice_index(stop) || !is_slice_index(step))
    return template_error("slice indices must be integers or None");
  JANG_ASSIGN(const std::int64_t n, length(object));
  JANG_ASSIGN(const Slice slice, resolve_slice(start, stop, step, static_cast<std::size_t>(n)));
  if (object.is(Kind::string)) return slice_text(runtime, object, slice);
  JANG_TRY(runtime.charge(slice.count));
  Values out;
  out.reserve(slice.count);
  for (std::size_t i = 0; i < slice.count; ++i) {
    const std::int64_t at = slice.start + static_cast<std::int64_t>(i) * slice.step;
    if (object.is(Kind::range))
      out.push_back(Value::integer(object.range().start + at * object.range().step));
    else
      out.push_back(object.items()[static_cast<std::size_t>(at)]);
  }
  return object.is(Kind::tuple) ? runtime.tuple(std::move(out)) : runtime.list(std::move(out));
}

Result<Value> get_path(Runtime& runtime, const Value& object, const Value& path, const Value& fallback) {
  if (path.is(Kind::none) || path.is(Kind::missing)) return object;
  const bool has_fallback = !fallback.is(Kind::missing) && !fallback.is(Kind::none);
  Value at = object;
  const auto step = [&](const Value& key) -> Status {
    JANG_TRY(runtime.charge(1));
    JANG_ASSIGN(at, get_item(runtime, at, key));
    if (has_fallback && at.is(Kind::undefined)) at = fallback;
    return {};
  };
  if (!path.is(Kind::string)) {
    JANG_TRY(step(path));
    return at;
  }
  const std::string& text = path.bytes();
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('.', begin), text.size());
    const std::string_view part = std::string_view(text).substr(begin, end - begin);
    std::int64_t number = 0;
    const bool digits = !part.empty() && std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
    const bool is_number = digits && std::from_chars(part.data(), part.data() + part.size(), number).ec == std::errc();
    JANG_TRY(step(is_number ? Value::integer(number) : Value::short_string(part)));
    begin = end + 1;
  }
  return at;
}

}  // namespace jang::text::jinja
