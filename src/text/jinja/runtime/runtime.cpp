// SPDX-License-Identifier: Apache-2.0
// Limits and making of values.
#include "text/jinja/runtime/runtime.h"

#include <algorithm>

#include <fmt/format.h>

#include "text/jinja/runtime/operations.h"

namespace jang::text::jinja {
namespace {

Status too_deep() {
  return {StatusCode::invalid_argument, fmt::format("the template nests lists and dicts deeper than {} levels", kMaxContainerDepth)};
}

// Adds an entry or replaces the value of an equal key. A dict literal is as long as the template wrote it, so scanning is affordable; the
// long ones come from variables, where keys are known to differ.
Status insert(Runtime& runtime, DictData& dict, std::pair<Value, Value> entry) {
  JANG_TRY(runtime.charge(1 + dict.entries.size() / 8));
  JANG_ASSIGN(const Value* old, find_key(runtime, dict, entry.first));
  if (old != nullptr) {
    const auto same = std::find_if(dict.entries.begin(), dict.entries.end(), [&](const auto& e) { return &e.second == old; });
    same->second = std::move(entry.second);
  } else {
    if (!entry.first.is(Kind::string)) dict.only_strings = false;
    dict.entries.push_back(std::move(entry));
  }
  return {};
}

}  // namespace

Status template_error(std::string message) { return {StatusCode::corrupt, std::move(message)}; }
Status undefined_error(const Value& undefined) {
  return {StatusCode::corrupt, undefined.is(Kind::undefined) ? undefined.undefined().message : std::string("the value is undefined")};
}

Status Runtime::out_of_steps() const {
  return {StatusCode::invalid_argument, fmt::format("the template needs more than {} steps for this input", max_steps_)};
}

Status Runtime::check_string_size(std::uint64_t bytes) {
  if (bytes <= kMaxStringBytes) return {};
  return {StatusCode::invalid_argument, fmt::format("the template builds a string of more than {} bytes", kMaxStringBytes)};
}

Result<Value> Runtime::string(Text text, bool markup) {
  JANG_TRY(check_string_size(text.size()));
  JANG_TRY(charge_bytes(text.size()));
  JANG_TRY(charge(text.input_spans().size()));
  auto data = std::make_shared<StringData>();
  data->text = std::move(text);
  data->markup = markup;
  return Value::of(Kind::string, std::move(data));
}

Result<Value> Runtime::sequence(Kind kind, Values items) {
  JANG_TRY(charge(items.size()));
  auto data = std::make_shared<ListData>();
  for (const Value& item : items) data->depth = std::max(data->depth, item.depth() + 1);
  if (data->depth > kMaxContainerDepth) return too_deep();
  data->items = std::move(items);
  return Value::of(kind, std::move(data));
}

Result<Value> Runtime::dict(std::vector<std::pair<Value, Value>> entries) {
  JANG_TRY(charge(entries.size()));
  auto data = std::make_shared<DictData>();
  for (auto& entry : entries) {
    data->depth = std::max(data->depth, std::max(entry.first.depth(), entry.second.depth()) + 1);
    JANG_TRY(insert(*this, *data, std::move(entry)));
  }
  if (data->depth > kMaxContainerDepth) return too_deep();
  data->make_index();
  return Value::of(Kind::dict, std::move(data));
}

Result<Value> Runtime::iterator(Values items) {
  JANG_TRY(charge(items.size()));
  JANG_ASSIGN(Iterator * made, make<Iterator>());
  made->items = std::move(items);
  return Value::entity(Kind::iterator, made);
}

Result<Value> Runtime::bound(const Builtin& builtin, Value self) {
  JANG_TRY(charge(1));
  auto data = std::make_shared<FunctionData>();
  data->builtin = &builtin;
  data->self = std::move(self);
  return Value::of(Kind::function, std::move(data));
}

Result<Values> Arguments::bind(std::string_view function, std::span<const std::string_view> names) const {
  if (positional.size() > names.size())
    return template_error(fmt::format("{}() takes at most {} arguments, {} were given", function, names.size(), positional.size()));
  Values out(names.size());
  std::copy(positional.begin(), positional.end(), out.begin());
  for (const auto& [name, value] : named) {
    const auto at = std::find(names.begin(), names.end(), name);
    if (at == names.end()) return template_error(fmt::format("{}() has no parameter '{}'", function, name));
    Value& slot = out[static_cast<std::size_t>(at - names.begin())];
    if (!slot.is(Kind::missing)) return template_error(fmt::format("{}() got its parameter '{}' twice", function, name));
    slot = value;
  }
  return out;
}

}  // namespace jang::text::jinja
