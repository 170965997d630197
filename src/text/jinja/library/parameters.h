// SPDX-License-Identifier: Apache-2.0
// Arguments of a builtin after binding, read by position.
#pragma once

#include <array>
#include <string_view>

#include "text/jinja/runtime/operations.h"
#include "text/jinja/runtime/runtime.h"

namespace jang::text::jinja {

class Parameters {
 public:
  template <std::size_t N>
  [[nodiscard]] static Result<Parameters> bind(std::string_view function, const Arguments& arguments,
                                               const std::array<std::string_view, N>& names) {
    Parameters out;
    JANG_ASSIGN(out.values_, arguments.bind(function, names));
    out.function_ = function;
    return out;
  }
  // For functions without parameters.
  [[nodiscard]] static Status none(std::string_view function, const Arguments& arguments) {
    const Result<Values> bound = arguments.bind(function, {});
    return bound.status();
  }

  [[nodiscard]] bool has(std::size_t i) const { return !values_[i].is(Kind::missing); }
  [[nodiscard]] bool has_value(std::size_t i) const { return has(i) && !values_[i].is(Kind::none); }
  [[nodiscard]] const Value& operator[](std::size_t i) const { return values_[i]; }
  // Errors: corrupt when absent or of another type.
  [[nodiscard]] Result<Value> required(std::size_t i) const;
  [[nodiscard]] Result<const Text*> text(std::size_t i) const;  // a string
  [[nodiscard]] Result<std::int64_t> integer(std::size_t i, std::int64_t fallback) const;
  // Where Python takes None for the default.
  [[nodiscard]] Result<std::int64_t> integer_or_none(std::size_t i, std::int64_t fallback) const {
    return has_value(i) ? integer(i, fallback) : Result<std::int64_t>(fallback);
  }
  [[nodiscard]] bool flag(std::size_t i, bool fallback) const { return has(i) ? truth(values_[i]) : fallback; }

 private:
  Values values_;
  std::string_view function_;
};

}  // namespace jang::text::jinja
