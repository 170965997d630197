// SPDX-License-Identifier: Apache-2.0
// The JSON reader on any bytes, in both dialects. Oracle: what it accepts is within the depth limit, prints as text that it accepts again,
// and reads back as the same value; what the strict dialect accepts, the Python dialect reads alike.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "json/json.h"

namespace {

int depth_of(const jang::json::Value& value) {
  if (!value.is_structured()) return 0;
  int deepest = 0;
  for (const auto& child : value) deepest = std::max(deepest, depth_of(child));
  return deepest + 1;
}

// Prints, reads again, prints again.
void check_round_trip(const jang::json::Value& value, const jang::json::Limits& limits) {
  JANG_CHECK(depth_of(value) <= limits.max_depth);
  const bool python = limits.dialect == jang::json::Dialect::python;
  const auto print = [&](const jang::json::Value& v) { return python ? jang::json::dump_for_python(v) : jang::json::dump(v); };
  const std::string printed = print(value);
  const auto again = jang::json::parse(printed, "printed", limits);
  JANG_CHECK(again.ok());
  JANG_CHECK(print(*again) == printed);
  if (!python) JANG_CHECK(*again == value);  // NaN differs from itself
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const jang::json::Limits strict{.max_bytes = 1u << 20, .max_depth = 16};
  const jang::json::Limits python{.max_bytes = 1u << 20, .max_depth = 16, .dialect = jang::json::Dialect::python};
  const auto value = jang::json::parse(text, "input", strict);
  std::vector<std::string> repeated;
  const auto wider = jang::json::parse(text, "input", python, &repeated);
  JANG_CHECK(value.ok() || !value.status().message().empty());
  JANG_CHECK(wider.ok() || !wider.status().message().empty());
  if (value.ok()) {
    JANG_CHECK(wider.ok() && *wider == *value && repeated.empty());
    check_round_trip(*value, strict);
  }
  if (wider.ok()) check_round_trip(*wider, python);
  return 0;
}
