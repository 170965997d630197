// SPDX-License-Identifier: Apache-2.0
// json.dumps(), which the `tojson` filter of transformers is: ", " and ": " between things, non-ASCII as it is unless asked otherwise.
#include "text/jinja/library/to_json.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "text/jinja/runtime/operations.h"
#include "text/jinja/runtime/print.h"

namespace jang::text::jinja {
namespace {

class JsonPrinter {
 public:
  JsonPrinter(Runtime& runtime, const JsonStyle& style, Text& out) : runtime_(runtime), style_(style), out_(out) {}

  Status value(const Value& v, int level) {
    JANG_TRY(runtime_.charge(1));
    JANG_TRY(Runtime::check_string_size(out_.size()));
    switch (v.kind()) {
      case Kind::string: return string(v.text());
      case Kind::list:
      case Kind::tuple: return array(v.items(), level);
      case Kind::dict: return object(v.dict(), level);
      case Kind::none:
      case Kind::boolean:
      case Kind::integer:
      case Kind::real: out_.append(scalar(v)); return {};
      default: return template_error(fmt::format("Object of type {} is not JSON serializable", type_name(v)));
    }
  }

 private:
  static std::string scalar(const Value& v) {
    if (v.is(Kind::none)) return "null";
    if (v.is(Kind::boolean)) return v.as_bool() ? "true" : "false";
    if (v.is(Kind::integer)) return fmt::format("{}", v.as_int());
    if (v.is_wide_integer()) return v.bytes();
    const double d = v.as_real();
    if (std::isnan(d)) return "NaN";
    if (std::isinf(d)) return d < 0 ? "-Infinity" : "Infinity";
    return format_real(d);
  }

  Status string(const Text& text) {
    JANG_TRY(runtime_.charge_bytes(2 * text.size()));
    out_.append("\"");
    std::size_t plain_from = 0;
    for (Reader reader(text); !reader.at_end();) {
      reader.next();
      const char32_t c = reader.codepoint();
      if (c >= 0x20 && c != '"' && c != '\\' && (c < 0x7f || !style_.ascii || c == 0x7f)) continue;
      out_.append(text, plain_from, reader.begin());
      plain_from = reader.end();
      out_.append(escaped(c), reader.is_input());
    }
    out_.append(text, plain_from, text.size());
    out_.append("\"");
    return Runtime::check_string_size(out_.size());
  }

  static std::string escaped(char32_t c) {
    switch (c) {
      case '"': return "\\\"";
      case '\\': return "\\\\";
      case '\n': return "\\n";
      case '\r': return "\\r";
      case '\t': return "\\t";
      case '\f': return "\\f";
      case '\b': return "\\b";
      default: break;
    }
    const auto n = static_cast<std::uint32_t>(c);
    if (n < 0x10000) return fmt::format("\\u{:04x}", n);
    return fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + ((n - 0x10000) >> 10), 0xdc00 + ((n - 0x10000) & 0x3ff));
  }

  Status line(int level) {
    if (!style_.indented) return {};
    JANG_TRY(Runtime::check_string_size(out_.size() + style_.indent.size() * static_cast<std::size_t>(level)));
    out_.append("\n");
    for (int i = 0; i < level; ++i) out_.append(style_.indent);
    return {};
  }

  Status array(const Values& items, int level) {
    if (items.empty()) {
      out_.append("[]");
      return {};
    }
    out_.append("[");
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_.append(style_.item_separator);
      JANG_TRY(line(level + 1));
      JANG_TRY(value(items[i], level + 1));
    }
    JANG_TRY(line(level));
    out_.append("]");
    return {};
  }

  Status key(const Value& k) {
    if (k.is(Kind::string)) return string(k.text());
    if (!k.is_number() && !k.is(Kind::none))
      return template_error(fmt::format("keys must be str, int, float, bool or None, not {}", type_name(k)));
    out_.append("\"" + scalar(k) + "\"");
    return {};
  }

  Result<std::vector<std::size_t>> order_of(const DictData& dict) {
    std::vector<std::size_t> order(dict.entries.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    if (!style_.sorted) return order;
    JANG_TRY(runtime_.charge(order.size() * 16));
    Status failure;
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      const Result<Order> o = compare(runtime_, dict.entries[a].first, dict.entries[b].first);
      if (!o.ok() && failure.ok()) failure = o.status();
      return o.ok() && o.value() == Order::less;
    });
    if (!failure.ok()) return failure;
    return order;
  }

  Status object(const DictData& dict, int level) {
    if (dict.entries.empty()) {
      out_.append("{}");
      return {};
    }
    JANG_ASSIGN(const std::vector<std::size_t> order, order_of(dict));
    out_.append("{");
    for (std::size_t i = 0; i < order.size(); ++i) {
      if (i > 0) out_.append(style_.item_separator);
      JANG_TRY(line(level + 1));
      JANG_TRY(key(dict.entries[order[i]].first));
      out_.append(style_.key_separator);
      JANG_TRY(value(dict.entries[order[i]].second, level + 1));
    }
    JANG_TRY(line(level));
    out_.append("}");
    return {};
  }

  Runtime& runtime_;
  const JsonStyle& style_;
  Text& out_;
};

}  // namespace

Status print_json(Runtime& runtime, const Value& value, const JsonStyle& style, Text& out) {
  return JsonPrinter(runtime, style, out).value(value, 0);
}

}  // namespace jang::text::jinja
