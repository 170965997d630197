// SPDX-License-Identifier: Apache-2.0
// simdjson reads, nlohmann holds. The tape of simdjson's DOM keeps duplicate keys in order, so they are seen here before the ordered value,
// which would drop them, is built. Values are appended to objects without a lookup: a map of n keys costs O(n log n), not O(n^2).
// Recursion depth is the nesting depth, bounded by Limits.
#include "json/json.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <new>
#include <stdexcept>
#include <vector>

#include <fmt/format.h>
#include <simdjson.h>

#include "base/file.h"
#include "base/lfs_pointer.h"
#include "json/python.h"

namespace jang::json {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kMaxRepeated = 16;  // names for a message
constexpr std::size_t kMinCapacity = 64;  // simdjson rounds smaller requests up and would then forget the depth asked for

class Builder {
 public:
  // `odd`: numbers the text had in place of the zeros that simdjson saw, in order of their ordinals.
  Builder(std::string_view what, const Limits& limits, std::vector<std::string>* repeated, std::span<const OddNumber> odd = {})
      : what_(what), limits_(limits), repeated_(repeated), odd_(odd) {}

  Status build(const dom::element& from, int depth, Value& to) {
    switch (from.type()) {
      case dom::element_type::OBJECT: return build_object(from, depth + 1, to);
      case dom::element_type::ARRAY: return build_array(from, depth + 1, to);
      case dom::element_type::STRING: to = std::string(from.get_string().value_unsafe()); break;
      case dom::element_type::BOOL: to = from.get_bool().value_unsafe(); break;
      case dom::element_type::NULL_VALUE: to = nullptr; break;
      case dom::element_type::DOUBLE:
      case dom::element_type::UINT64:
      case dom::element_type::INT64: build_number(from, to); break;
    }
    return {};
  }

 private:
  void build_number(const dom::element& from, Value& to) {
    const std::size_t ordinal = n_numbers_++;
    if (!odd_.empty() && odd_.front().ordinal == ordinal) {
      to = odd_.front().value;
      odd_ = odd_.subspan(1);
      return;
    }
    if (from.type() == dom::element_type::DOUBLE) {
      to = from.get_double().value_unsafe();
    } else if (from.type() == dom::element_type::UINT64) {
      to = from.get_uint64().value_unsafe();
    } else if (const std::int64_t v = from.get_int64().value_unsafe(); v >= 0) {
      to = static_cast<std::uint64_t>(v);  // as nlohmann's own parser types it, so that values compare and print alike
    } else {
      to = v;
    }
  }

  Status build_object(const dom::element& from, int depth, Value& to) {
    JANG_TRY(check_depth(depth));
    const dom::object object = from.get_object().value_unsafe();
    std::vector<std::string_view> keys;
    keys.reserve(object.size());
    to = Value::object();
    auto& members = to.get_ref<Value::object_t&>();
    members.reserve(object.size());
    for (const dom::key_value_pair& member : object) {
      keys.push_back(member.key);
      auto& slot = members.emplace_back(std::string(member.key), nullptr);
      JANG_TRY(build(member.value, depth, slot.second));
    }
    const auto i = find_duplicate(keys);
    if (!i) return {};
    if (limits_.dialect == Dialect::strict)
      return {StatusCode::corrupt, fmt::format("{}: key {} occurs twice in one object; remove one of them", what_, quote(keys[*i]))};
    keep_last(keys, members);
    return {};
  }

  // Of members with one key, the place of the first and the value of the last. O(n log n).
  void keep_last(const std::vector<std::string_view>& keys, Value::object_t& members) {
    std::vector<std::size_t> order(keys.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return keys[a] != keys[b] ? keys[a] < keys[b] : a < b; });
    std::vector<bool> again(keys.size());
    std::size_t first = 0;
    for (std::size_t i = 1; i < order.size(); ++i) {
      if (keys[order[i]] != keys[order[first]]) {
        first = i;
        continue;
      }
      again[order[i]] = true;
      members.data()[order[first]].second = std::move(members.data()[order[i]].second);
      if (repeated_ != nullptr && repeated_->size() < kMaxRepeated) repeated_->emplace_back(keys[order[i]]);
    }
    Value::object_t kept;
    kept.reserve(again.size());
    std::size_t i = 0;
    for (auto& [key, value] : members)
      if (!again[i++]) kept.emplace_back(key, std::move(value));
    members = std::move(kept);
  }

  Status build_array(const dom::element& from, int depth, Value& to) {
    JANG_TRY(check_depth(depth));
    const dom::array array = from.get_array().value_unsafe();
    to = Value::array();
    auto& items = to.get_ref<Value::array_t&>();
    items.reserve(array.size());
    for (const dom::element item : array) JANG_TRY(build(item, depth, items.emplace_back()));
    return {};
  }

  Status check_depth(int depth) const {
    if (depth <= limits_.max_depth) return {};
    return {StatusCode::corrupt, fmt::format("{}: nested deeper than {} levels", what_, limits_.max_depth)};
  }

  std::string_view what_;
  const Limits& limits_;
  std::vector<std::string>* repeated_;
  std::span<const OddNumber> odd_;
  std::size_t n_numbers_ = 0;  // met so far, in document order
};

Status parse_failure(simdjson::error_code error, std::string_view text, std::string_view what, int max_depth) {
  if (error == simdjson::MEMALLOC) return {StatusCode::out_of_memory, fmt::format("{}: no memory to parse {} bytes", what, text.size())};
  if (error == simdjson::DEPTH_ERROR) return {StatusCode::corrupt, fmt::format("{}: nested deeper than {} levels", what, max_depth)};
  JANG_TRY(check_no_lfs_pointer(text, what));
  return {StatusCode::corrupt, fmt::format("{}: not valid JSON{}: {}", what, locate_syntax_error(text), simdjson::error_message(error))};
}

simdjson::error_code parse_strict(std::string_view text, const Limits& limits, dom::parser& parser, dom::element& root) {
  // Two levels of slack: the exact depth is counted while building, where scalars and empty containers are counted like others.
  auto error = parser.allocate(std::max(text.size(), kMinCapacity), static_cast<std::size_t>(limits.max_depth) + 2);
  const char* bytes = text.empty() ? "" : text.data();  // an empty view may hold a null pointer, which simdjson would copy from
  if (error == simdjson::SUCCESS) error = parser.parse(bytes, text.size(), true).get(root);
  return error;
}

Result<Value> parse_within_memory(std::string_view text, std::string_view what, const Limits& limits, std::vector<std::string>* repeated) {
  const bool python = limits.dialect == Dialect::python;
  if (python && text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  dom::parser parser;
  dom::element root;
  auto error = parse_strict(text, limits, parser, root);
  PlainText plain;
  if (python && error != simdjson::SUCCESS && error != simdjson::MEMALLOC && error != simdjson::DEPTH_ERROR) {
    plain = replace_odd_numbers(text);
    if (!plain.odd.empty()) error = parse_strict(text = plain.text, limits, parser, root);
  }
  if (error != simdjson::SUCCESS) return parse_failure(error, text, what, limits.max_depth);
  Value value;
  JANG_TRY(Builder(what, limits, repeated, plain.odd).build(root, 0, value));
  return value;
}

// Accepts everything and remembers where parsing failed. nlohmann's parser keeps its state in a heap vector: no recursion on input.
struct ErrorLocator : nlohmann::json_sax<Value> {
  std::size_t position = 0;  // bytes read when it failed, 0 = it did not
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(std::int64_t) override { return true; }
  bool number_unsigned(std::uint64_t) override { return true; }
  bool number_float(double, const std::string&) override { return true; }
  bool string(std::string&) override { return true; }
  bool binary(Value::binary_t&) override { return true; }
  bool start_object(std::size_t) override { return true; }
  bool key(std::string&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t at, const std::string&, const nlohmann::detail::exception&) override {
    position = at;
    return false;
  }
};

// Laid out as nlohmann does it. Recursion is bounded as in every value that we read or make.
void write_for_python(const Value& value, int indent, std::size_t level, std::string& out) {
  const auto new_line = [&](std::size_t depth) {
    if (indent >= 0) out += '\n' + std::string(static_cast<std::size_t>(indent) * depth, ' ');
  };
  if (value.is_number_float() && !std::isfinite(value.get<double>())) {
    const double v = value.get<double>();
    out += std::isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity";
  } else if (!value.is_structured() || value.empty()) {
    out += dump(value, indent);
  } else {
    out += value.is_object() ? '{' : '[';
    bool first = true;
    for (auto member = value.begin(); member != value.end(); ++member) {
      if (!first) out += ',';
      first = false;
      new_line(level + 1);
      if (value.is_object()) out += dump(Value(member.key())) + (indent >= 0 ? ": " : ":");
      write_for_python(*member, indent, level + 1, out);
    }
    new_line(level);
    out += value.is_object() ? '}' : ']';
  }
}

Status wrong_type(std::string_view key, std::string_view expected, const Value& found) {
  std::string shown = found.is_array() ? "an array" : "an object";
  if (found.is_primitive()) shown = found.is_string() ? quote(found.get_ref<const std::string&>(), 64) : dump_for_python(found);
  return {StatusCode::corrupt, fmt::format("key {}: expected {}, found {}", quote(key), expected, shown)};
}

}  // namespace

Result<Value> parse(std::string_view text, std::string_view what, const Limits& limits, std::vector<std::string>* repeated) {
  if (text.size() > limits.max_bytes)
    return Status(StatusCode::invalid_argument, fmt::format("{}: {} bytes; at most {} are accepted", what, text.size(), limits.max_bytes));
  try {
    return parse_within_memory(text, what, limits, repeated);
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::out_of_memory, fmt::format("{}: no memory to hold {} bytes of JSON", what, text.size()));
  }
}

Result<Value> parse_file(const std::string& path, const Limits& limits, std::vector<std::string>* repeated) {
  JANG_ASSIGN(const std::string text, read_text(path, limits.max_bytes));
  return parse(text, path, limits, repeated);
}

const Value* find(const Value& object, std::string_view key) {
  if (!object.is_object()) return nullptr;
  for (const auto& [name, value] : object.get_ref<const Value::object_t&>())
    if (name == key) return value.is_null() ? nullptr : &value;
  return nullptr;
}

Result<std::int64_t> get_int(const Value& object, std::string_view key, std::int64_t fallback, std::int64_t lo, std::int64_t hi) {
  const Value* v = find(object, key);
  if (v == nullptr) return fallback;
  if (!v->is_number_integer()) return wrong_type(key, "an integer", *v);
  const bool fits =
      !v->is_number_unsigned() || v->get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (!fits || v->get<std::int64_t>() < lo || v->get<std::int64_t>() > hi)
    return wrong_type(key, fmt::format("an integer from {} to {}", lo, hi), *v);
  return v->get<std::int64_t>();
}

Result<double> get_number(const Value& object, std::string_view key, double fallback) {
  const Value* v = find(object, key);
  if (v == nullptr) return fallback;
  if (!v->is_number() || !std::isfinite(v->get<double>())) return wrong_type(key, "a finite number", *v);
  return v->get<double>();
}

Result<bool> get_bool(const Value& object, std::string_view key, bool fallback) {
  const Value* v = find(object, key);
  if (v == nullptr) return fallback;
  if (!v->is_boolean()) return wrong_type(key, "true or false", *v);
  return v->get<bool>();
}

Result<std::string> get_string(const Value& object, std::string_view key, std::string_view fallback) {
  const Value* v = find(object, key);
  if (v == nullptr) return std::string(fallback);
  if (!v->is_string()) return wrong_type(key, "a string", *v);
  return v->get<std::string>();
}

std::string dump(const Value& value, int indent) { return value.dump(indent, ' ', false, Value::error_handler_t::replace); }

std::string dump_for_python(const Value& value, int indent) {
  std::string text;
  write_for_python(value, indent, 0, text);
  return text;
}

std::string quote(std::string_view text, std::size_t max_bytes) {
  const bool cut = text.size() > max_bytes;
  if (cut) {
    text = text.substr(0, max_bytes);
    // Not inside a UTF-8 sequence: drop its bytes 10xxxxxx and then its first one.
    std::size_t end = text.size();
    while (end > 0 && (static_cast<unsigned char>(text[end - 1]) & 0xc0u) == 0x80u) --end;
    if (end > 0 && static_cast<unsigned char>(text[end - 1]) >= 0xc0u) --end;
    if (end > 0 && text.size() - end <= 4) text = text.substr(0, end);
  }
  const std::string escaped = Value(std::string(text)).dump(-1, ' ', true, Value::error_handler_t::replace);
  return cut ? escaped + "..." : escaped;
}

std::optional<std::size_t> find_duplicate(std::span<const std::string_view> keys) {
  constexpr std::size_t kFew = 12;  // pairwise comparison is cheaper than allocating
  if (keys.size() <= kFew) {
    for (std::size_t i = 1; i < keys.size(); ++i)
      for (std::size_t j = 0; j < i; ++j)
        if (keys[i] == keys[j]) return i;
    return std::nullopt;
  }
  struct Slot {
    std::size_t hash;
    std::size_t index;
  };
  std::vector<Slot> slots(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) slots[i] = {std::hash<std::string_view>{}(keys[i]), i};
  std::sort(slots.begin(), slots.end(), [&](const Slot& a, const Slot& b) {
    if (a.hash != b.hash) return a.hash < b.hash;
    const int order = keys[a.index].compare(keys[b.index]);
    return order != 0 ? order < 0 : a.index < b.index;
  });
  for (std::size_t i = 1; i < slots.size(); ++i)
    if (slots[i].hash == slots[i - 1].hash && keys[slots[i].index] == keys[slots[i - 1].index]) return slots[i].index;
  return std::nullopt;
}

std::string locate_syntax_error(std::string_view text) {
  ErrorLocator locator;
  Value::sax_parse(text.begin(), text.end(), &locator);
  if (locator.position == 0) return {};
  const std::size_t at = std::min(locator.position - 1, text.size());
  const std::string_view before = text.substr(0, at);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t line_start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  std::string place = fmt::format(" at line {}, column {} (byte {})", line, at - line_start + 1, at);
  if (at == text.size()) place += ", its end (the file may be truncated)";
  if (text.substr(at).starts_with("NaN") || text.substr(at).starts_with("Infinity"))
    place += ", NaN and Infinity are not JSON (Python writes them); replace the value by a number or null";
  return place;
}

}  // namespace jang::json
