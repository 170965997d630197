// SPDX-License-Identifier: Apache-2.0
// Typed access with messages.
#include "text/jinja/library/parameters.h"

#include <fmt/format.h>

namespace jang::text::jinja {

Result<Value> Parameters::required(std::size_t i) const {
  if (!has(i)) return template_error(fmt::format("{}() lacks argument {}", function_, i + 1));
  return values_[i];
}

Result<const Text*> Parameters::text(std::size_t i) const {
  JANG_ASSIGN(const Value value, required(i));
  if (value.is(Kind::string)) return &values_[i].text();
  return template_error(fmt::format("{}() takes a str as argument {}, not {}", function_, i + 1, type_name(value)));
}

Result<std::int64_t> Parameters::integer(std::size_t i, std::int64_t fallback) const {
  if (!has(i)) return fallback;
  if (values_[i].is_integral()) return values_[i].as_int();
  if (values_[i].is(Kind::undefined)) return undefined_error(values_[i]);
  return template_error(fmt::format("{}() takes an int as argument {}, not {}", function_, i + 1, type_name(values_[i])));
}

}  // namespace jang::text::jinja
