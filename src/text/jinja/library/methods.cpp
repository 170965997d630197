// SPDX-License-Identifier: Apache-2.0
// Methods of dicts and loops. Those that would change their object are refused in access.cpp.
#include "text/jinja/library/methods.h"

#include <algorithm>
#include <array>

#include "text/jinja/library/parameters.h"
#include "text/jinja/runtime/operations.h"

namespace jang::text::jinja {
namespace {

template <View which>
Result<Value> dict_view(Runtime&, const Value& self, const Arguments& arguments) {
  JANG_TRY(Parameters::none("a dict view", arguments));
  return Value::view(self, which);
}

Result<Value> dict_get(Runtime& runtime, const Value& self, const Arguments& arguments) {
  if (!arguments.named.empty()) return template_error("get() takes no keyword arguments");
  JANG_ASSIGN(const Parameters p, Parameters::bind("get", arguments, std::array<std::string_view, 2>{"key", "default"}));
  JANG_ASSIGN(const Value key, p.required(0));
  JANG_ASSIGN(const Value* found, find_key(runtime, self.dict(), key));
  if (found != nullptr) return *found;
  return p.has(1) ? p[1] : Value::none();
}

Result<Value> loop_cycle(Runtime&, const Value& self, const Arguments& arguments) {
  const Values& choices = arguments.positional;
  if (choices.empty()) return template_error("no items for cycling given");
  const std::int64_t index = std::max<std::int64_t>(self.entity<Loop>().index0, 0);
  return choices[static_cast<std::size_t>(index) % choices.size()];
}

constexpr auto kDict = std::to_array<Builtin>({
    {"get", dict_get},
    {"items", dict_view<View::items>},
    {"keys", dict_view<View::keys>},
    {"values", dict_view<View::values>},
});
constexpr auto kLoop = std::to_array<Builtin>({{"cycle", loop_cycle}});

template <std::size_t N>
const Builtin* find_in(const std::array<Builtin, N>& table, std::string_view name) {
  const auto at = std::find_if(table.begin(), table.end(), [&](const Builtin& b) { return b.name == name; });
  return at == table.end() ? nullptr : &*at;
}

}  // namespace

const Builtin* find_dict_method(std::string_view name) { return find_in(kDict, name); }
const Builtin* find_loop_method(std::string_view name) { return find_in(kLoop, name); }

}  // namespace jang::text::jinja
