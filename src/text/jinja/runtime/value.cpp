// SPDX-License-Identifier: Apache-2.0
// Plumbing of value.h.
#include "text/jinja/runtime/value.h"

#include <algorithm>

#include <fmt/format.h>

namespace jang::text::jinja {
namespace {

constexpr std::size_t kFew = 8;  // entries that a scan finds as fast as an index

}  // namespace

Value Value::boolean(bool b) {
  Value v(Kind::boolean);
  v.scalar_.integer = b ? 1 : 0;
  return v;
}

Value Value::integer(std::int64_t i) {
  Value v(Kind::integer);
  v.scalar_.integer = i;
  return v;
}

Value Value::real(double d) {
  Value v(Kind::real);
  v.scalar_.real = d;
  return v;
}

Value Value::wide_integer(std::uint64_t i) {
  Value v = short_string(fmt::format("{}", i));
  v.kind_ = Kind::real;
  v.scalar_.real = static_cast<double>(i);
  return v;
}

Value Value::short_string(std::string_view text) {
  auto data = std::make_shared<StringData>();
  data->text.append(text);
  return of(Kind::string, std::move(data));
}

Value Value::undefined(std::string message, bool is_unsafe) {
  auto data = std::make_shared<UndefinedData>();
  data->message = std::move(message);
  data->is_unsafe = is_unsafe;
  return of(Kind::undefined, std::move(data));
}

Value Value::of(Kind kind, std::shared_ptr<const Data> data) {
  Value v(kind);
  v.data_ = std::move(data);
  return v;
}

Value Value::view(const Value& dict, View which) {
  Value v(Kind::view);
  v.scalar_.integer = static_cast<std::int64_t>(which);
  v.data_ = dict.data_;
  return v;
}

Value Value::entity(Kind kind, Entity* pointer) {
  Value v(kind);
  v.scalar_.pointer = pointer;
  return v;
}

const Text& Value::text() const { return static_cast<const StringData&>(*data_).text; }
bool Value::is_markup() const { return is(Kind::string) && static_cast<const StringData&>(*data_).markup; }
const ListData& Value::list() const { return static_cast<const ListData&>(*data_); }
const Values& Value::items() const { return list().items; }
const DictData& Value::dict() const { return static_cast<const DictData&>(*data_); }
const RangeData& Value::range() const { return static_cast<const RangeData&>(*data_); }
const UndefinedData& Value::undefined() const { return static_cast<const UndefinedData&>(*data_); }
const FunctionData& Value::function() const { return static_cast<const FunctionData&>(*data_); }

bool Value::same_as(const Value& other) const {
  if (kind_ != other.kind_) return false;
  switch (kind_) {
    case Kind::none: return true;
    case Kind::boolean:
    case Kind::integer: return scalar_.integer == other.scalar_.integer;
    case Kind::real: return scalar_.real == other.scalar_.real;
    // Python shares equal constants and short strings often enough that templates cannot tell; equal text counts as the same object.
    case Kind::string: return data_ == other.data_ || bytes() == other.bytes();
    case Kind::iterator:
    case Kind::space:
    case Kind::loop: return scalar_.pointer == other.scalar_.pointer;
    default: return data_ == other.data_;
  }
}

int Value::depth() const {
  switch (kind_) {
    case Kind::list:
    case Kind::tuple: return list().depth;
    case Kind::dict:
    case Kind::view: return dict().depth;
    default: return 0;
  }
}

const Value* DictData::find(std::string_view key) const {
  if (by_name.empty()) {
    for (const auto& [name, value] : entries)
      if (name.is(Kind::string) && name.bytes() == key) return &value;
    return nullptr;
  }
  const auto at = std::lower_bound(by_name.begin(), by_name.end(), key,
                                   [&](std::uint32_t i, std::string_view k) { return entries[i].first.bytes() < k; });
  return at != by_name.end() && entries[*at].first.bytes() == key ? &entries[*at].second : nullptr;
}

void DictData::make_index() {
  by_name.clear();
  only_strings = true;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].first.is(Kind::string))
      by_name.push_back(static_cast<std::uint32_t>(i));
    else
      only_strings = false;
  }
  if (entries.size() <= kFew) {
    by_name.clear();
    return;
  }
  std::sort(by_name.begin(), by_name.end(),
            [&](std::uint32_t a, std::uint32_t b) { return entries[a].first.bytes() < entries[b].first.bytes(); });
}

const Value* Namespace::find(std::string_view name) const {
  for (const auto& [key, value] : attributes)
    if (key == name) return &value;
  return nullptr;
}

void Namespace::set(std::string_view name, Value value) {
  for (auto& [key, old] : attributes) {
    if (key == name) {
      old = std::move(value);
      return;
    }
  }
  attributes.emplace_back(std::string(name), std::move(value));
}

std::string_view type_name(const Value& value) {
  switch (value.kind()) {
    case Kind::missing:
    case Kind::undefined: return "Undefined";
    case Kind::none: return "NoneType";
    case Kind::boolean: return "bool";
    case Kind::integer: return "int";
    case Kind::real: return value.is_wide_integer() ? "int" : "float";
    case Kind::string: return value.is_markup() ? "Markup" : "str";
    case Kind::list: return "list";
    case Kind::tuple: return "tuple";
    case Kind::dict: return "dict";
    case Kind::view:
      return value.which_view() == View::keys ? "dict_keys" : value.which_view() == View::values ? "dict_values" : "dict_items";
    case Kind::range: return "range";
    case Kind::iterator: return "generator";
    case Kind::space: return "Namespace";
    case Kind::loop: return "LoopContext";
    case Kind::function: return "function";
  }
  return "object";
}

std::string object_name(const Value& value) { return value.is(Kind::none) ? "None" : std::string(type_name(value)) + " object"; }

}  // namespace jang::text::jinja
