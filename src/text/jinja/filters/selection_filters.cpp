// SPDX-License-Identifier: Apache-2.0
// Filters that apply a filter, a test or an attribute to every item: map, select, reject, selectattr, rejectattr.
#include "text/jinja/filters/selection_filters.h"

#include <fmt/format.h>

#include "text/jinja/filters/filters.h"
#include "text/jinja/library/access.h"
#include "text/jinja/library/tests.h"
#include "text/jinja/runtime/operations.h"
#include "text/jinja/runtime/print.h"

namespace jang::text::jinja {
namespace {

// map(attribute="a.b", default=x)
Result<Values> map_attribute(Runtime& runtime, const Values& items, const Arguments& arguments) {
  Value attribute, fallback;
  for (const auto& [name, value] : arguments.named) {
    if (name != "attribute" && name != "default")
      return template_error(fmt::format("map: unexpected keyword argument {}", in_quotes(name)));
    (name == "attribute" ? attribute : fallback) = value;
  }
  if (attribute.is(Kind::missing)) return template_error("map requires a filter argument");
  Values out;
  for (const Value& item : items) {
    JANG_ASSIGN(Value value, get_path(runtime, item, attribute, fallback));
    out.push_back(std::move(value));
  }
  return out;
}

Result<Value> map(Runtime& runtime, const Value& self, const Arguments& arguments) {
  if (!truth(self)) return runtime.iterator({});
  JANG_ASSIGN(const Values items, iterate(runtime, self));
  if (arguments.positional.empty()) {
    JANG_ASSIGN(Values out, map_attribute(runtime, items, arguments));
    return runtime.iterator(std::move(out));
  }
  const Value& name = arguments.positional.front();
  const Builtin* filter = name.is(Kind::string) ? find_filter(name.bytes()) : nullptr;
  if (filter == nullptr) return name.is(Kind::string) ? no_such_filter(name.bytes()) : template_error("map: a filter is named by a str");
  Arguments rest;
  rest.positional.assign(arguments.positional.begin() + 1, arguments.positional.end());
  rest.named = arguments.named;
  Values out;
  for (const Value& item : items) {
    JANG_TRY(runtime.charge(1));
    JANG_ASSIGN(Value value, filter->run(runtime, item, rest));
    out.push_back(std::move(value));
  }
  return runtime.iterator(std::move(out));
}

// Items of which the test, or truth, is `wanted`; of the item or of one of its attributes.
template <bool wanted, bool of_attribute>
Result<Value> select(Runtime& runtime, const Value& self, const Arguments& arguments) {
  if (!truth(self)) return runtime.iterator({});
  constexpr std::size_t kFirst = of_attribute ? 1 : 0;
  if (arguments.positional.size() < kFirst) return template_error("Missing parameter for attribute name");
  const TestRow* test = nullptr;
  Arguments rest;
  if (arguments.positional.size() > kFirst) {
    const Value& name = arguments.positional[kFirst];
    test = name.is(Kind::string) ? find_test(name.bytes()) : nullptr;
    if (test == nullptr) return name.is(Kind::string) ? no_such_test(name.bytes()) : template_error("a test is named by a str");
    rest.positional.assign(arguments.positional.begin() + static_cast<std::ptrdiff_t>(kFirst) + 1, arguments.positional.end());
    rest.named = arguments.named;
  }
  JANG_ASSIGN(const Values items, iterate(runtime, self));
  Values out;
  for (const Value& item : items) {
    JANG_TRY(runtime.charge(1));
    JANG_ASSIGN(const Value subject, of_attribute ? get_path(runtime, item, arguments.positional.front()) : item);
    JANG_ASSIGN(const bool good, test == nullptr ? truth(subject) : test->run(runtime, subject, rest));
    if (good == wanted) out.push_back(item);
  }
  return runtime.iterator(std::move(out));
}

constexpr auto kSelectionFilters = std::to_array<Builtin>({
    {"map", map},
    {"select", select<true, false>},
    {"reject", select<false, false>},
    {"selectattr", select<true, true>},
    {"rejectattr", select<false, true>},
});

}  // namespace

std::span<const Builtin> selection_filters() { return kSelectionFilters; }

}  // namespace jang::text::jinja
