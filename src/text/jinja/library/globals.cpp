// SPDX-License-Identifier: Apache-2.0
// Global functions: what transformers and jinja put into every template.
#include "text/jinja/library/globals.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/utf8.h"
#include "text/jinja/library/parameters.h"
#include "text/jinja/library/strftime.h"
#include "text/jinja/runtime/operations.h"
#include "text/jinja/runtime/print.h"

namespace jang::text::jinja {
namespace {

// Items in a range, or an error for more than the sandbox allows.
Result<std::int64_t> range_length(std::int64_t start, std::int64_t stop, std::int64_t step) {
  if (step == 0) return template_error("range() arg 3 must not be zero");
  if (step > 0 ? start >= stop : start <= stop) return std::int64_t{0};
  const auto distance = step > 0 ? static_cast<std::uint64_t>(stop) - static_cast<std::uint64_t>(start)
                                 : static_cast<std::uint64_t>(start) - static_cast<std::uint64_t>(stop);
  const std::uint64_t stride = step > 0 ? static_cast<std::uint64_t>(step) : 0 - static_cast<std::uint64_t>(step);
  const std::uint64_t n = (distance - 1) / stride + 1;
  if (n > static_cast<std::uint64_t>(kMaxRange))
    return template_error(fmt::format("range too big: the sandbox blocks ranges larger than {}", kMaxRange));
  return static_cast<std::int64_t>(n);
}

Result<Value> range(Runtime& runtime, const Value&, const Arguments& arguments) {
  JANG_ASSIGN(const Parameters p, Parameters::bind("range", arguments, std::array<std::string_view, 3>{"start", "stop", "step"}));
  for (std::size_t i = 0; i < 3; ++i)
    if (p.has(i) && !p[i].is_integral())
      return p[i].is(Kind::undefined) ? undefined_error(p[i])
                                      : template_error(fmt::format("'{}' object cannot be interpreted as an integer", type_name(p[i])));
  JANG_TRY(p.required(0).status());
  auto made = std::make_shared<RangeData>();
  if (p.has(1)) made->start = p[0].as_int();
  made->stop = p.has(1) ? p[1].as_int() : p[0].as_int();
  JANG_ASSIGN(made->step, p.integer(2, 1));
  JANG_ASSIGN(made->length, range_length(made->start, made->stop, made->step));
  JANG_TRY(runtime.charge(1));
  return Value::of(Kind::range, std::move(made));
}

// The entries of dict(...) and namespace(...): of a mapping or of pairs, then the keywords.
Result<std::vector<std::pair<Value, Value>>> entries_of(Runtime& runtime, const Arguments& arguments) {
  std::vector<std::pair<Value, Value>> entries;
  if (arguments.positional.size() > 1) return template_error("expected at most 1 positional argument");
  if (!arguments.positional.empty()) {
    const Value& from = arguments.positional.front();
    if (from.is(Kind::dict)) {
      entries = from.dict().entries;
    } else {
      JANG_ASSIGN(const Values pairs, iterate(runtime, from));
      for (const Value& pair : pairs) {
        JANG_ASSIGN(const Values two, iterate(runtime, pair));
        if (two.size() != 2) return template_error("a dict is made of pairs");
        entries.emplace_back(two[0], two[1]);
      }
    }
  }
  JANG_TRY(runtime.charge(entries.size() + arguments.named.size()));
  for (const auto& [name, value] : arguments.named) {
    JANG_ASSIGN(Value key, runtime.string(Text(name)));
    entries.emplace_back(std::move(key), value);
  }
  return entries;
}

Result<Value> make_dict(Runtime& runtime, const Value&, const Arguments& arguments) {
  JANG_ASSIGN(auto entries, entries_of(runtime, arguments));
  return runtime.dict(std::move(entries));
}

Result<Value> make_namespace(Runtime& runtime, const Value&, const Arguments& arguments) {
  JANG_ASSIGN(const auto entries, entries_of(runtime, arguments));
  JANG_ASSIGN(Namespace * made, runtime.make<Namespace>());
  for (const auto& [key, value] : entries) {
    if (!key.is(Kind::string)) return template_error("the attributes of a namespace have names");
    if (is_private(key.bytes())) return template_error(fmt::format("the attribute {} is private", in_quotes(key.bytes())));
    JANG_TRY(runtime.charge(1 + made->attributes.size() / 8));
    made->set(key.bytes(), value);
  }
  return Value::entity(Kind::space, made);
}

Result<Value> raise_exception(Runtime& runtime, const Value&, const Arguments& arguments) {
  JANG_ASSIGN(const Parameters p, Parameters::bind("raise_exception", arguments, std::array<std::string_view, 1>{"message"}));
  JANG_ASSIGN(const Value message, p.required(0));
  JANG_ASSIGN(const Text text, to_text(runtime, message));
  constexpr std::size_t kShown = 4096;
  if (text.size() <= kShown) return template_error(text.bytes());
  return template_error(utf8::replace_invalid_bytes(std::string_view(text.bytes()).substr(0, kShown)) + "...");
}

Result<Value> strftime_now(Runtime& runtime, const Value&, const Arguments& arguments) {
  JANG_ASSIGN(const Parameters p, Parameters::bind("strftime_now", arguments, std::array<std::string_view, 1>{"format"}));
  JANG_ASSIGN(const Text* format, p.text(0));
  JANG_TRY(runtime.charge_bytes(64 * format->size()));
  JANG_ASSIGN(const std::string text, format_time(format->bytes(), runtime.unix_seconds(), runtime.utc_offset()));
  return runtime.string(Text(text, !format->input_spans().empty()));
}

constexpr auto kGlobals = std::to_array<Builtin>({
    {"range", range},
    {"dict", make_dict},
    {"namespace", make_namespace},
    {"raise_exception", raise_exception},
    {"strftime_now", strftime_now},
});

}  // namespace

const Builtin* find_global(std::string_view name) {
  const auto at = std::find_if(kGlobals.begin(), kGlobals.end(), [&](const Builtin& b) { return b.name == name; });
  return at == kGlobals.end() ? nullptr : &*at;
}

}  // namespace jang::text::jinja
