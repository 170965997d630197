// SPDX-License-Identifier: Apache-2.0
// Methods of dicts, lists, tuples and loops. Those that would change their object are refused in access.cpp.
#include <algorithm>
#include <array>

#include "text/jinja/parameters.h"

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

Result<Value> copy(Runtime&, const Value& self, const Arguments& arguments) {
  JANG_TRY(Parameters::none("copy", arguments));
  return self;  // nothing can change it
}

Result<Value> index_of(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_ASSIGN(const Parameters p, Parameters::bind("index", arguments, std::array<std::string_view, 3>{"value", "start", "stop"}));
  JANG_ASSIGN(const Value wanted, p.required(0));
  const auto n = static_cast<std::int64_t>(self.items().size());
  JANG_ASSIGN(std::int64_t begin, p.integer(1, 0));
  JANG_ASSIGN(std::int64_t end, p.integer(2, n));
  begin = begin < 0 ? std::max<std::int64_t>(begin + n, 0) : begin;
  end = std::min(end < 0 ? end + n : end, n);
  for (std::int64_t i = begin; i < end; ++i) {
    JANG_ASSIGN(const bool same, equals(runtime, self.items()[static_cast<std::size_t>(i)], wanted));
    if (same) return Value::integer(i);
  }
  return template_error("the value is not in the list");
}

Result<Value> count(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_ASSIGN(const Parameters p, Parameters::bind("count", arguments, std::array<std::string_view, 1>{"value"}));
  JANG_ASSIGN(const Value wanted, p.required(0));
  std::int64_t n = 0;
  for (const Value& item : self.items()) {
    JANG_ASSIGN(const bool same, equals(runtime, item, wanted));
    n += same ? 1 : 0;
  }
  return Value::integer(n);
}

Result<Value> loop_cycle(Runtime&, const Value& self, const Arguments& arguments) {
  const Values& choices = arguments.positional;
  if (choices.empty()) return template_error("no items for cycling given");
  const std::int64_t index = std::max<std::int64_t>(self.entity<Loop>().index0, 0);
  return choices[static_cast<std::size_t>(index) % choices.size()];
}

// True when the arguments differ from those of the call before.
Result<Value> loop_changed(Runtime& runtime, const Value& self, const Arguments& arguments) {
  auto& loop = self.entity<Loop>();
  JANG_ASSIGN(Value seen, runtime.tuple(arguments.positional));
  if (!loop.last_changed.is(Kind::missing)) {
    JANG_ASSIGN(const bool same, equals(runtime, loop.last_changed, seen));
    if (same) return Value::boolean(false);
  }
  loop.last_changed = std::move(seen);
  return Value::boolean(true);
}

constexpr auto kDict = std::to_array<Builtin>({
    {"get", dict_get},
    {"items", dict_view<View::items>},
    {"keys", dict_view<View::keys>},
    {"values", dict_view<View::values>},
    {"copy", copy},
});
constexpr auto kSequence = std::to_array<Builtin>({{"index", index_of}, {"count", count}, {"copy", copy}});
constexpr auto kLoop = std::to_array<Builtin>({{"cycle", loop_cycle}, {"changed", loop_changed}});

template <std::size_t N>
const Builtin* find_in(const std::array<Builtin, N>& table, std::string_view name) {
  const auto at = std::find_if(table.begin(), table.end(), [&](const Builtin& b) { return b.name == name; });
  return at == table.end() ? nullptr : &*at;
}

}  // namespace

const Builtin* find_dict_method(std::string_view name) { return find_in(kDict, name); }
const Builtin* find_sequence_method(std::string_view name) { return find_in(kSequence, name); }
const Builtin* find_loop_method(std::string_view name) { return find_in(kLoop, name); }

}  // namespace jang::text::jinja
