// SPDX-License-Identifier: Apache-2.0
// The strict JSON reader on any bytes. Oracle: what it accepts is within the depth limit, prints as JSON that it accepts again, and reads
// back as the same value.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "json/json.h"

namespace {

int depth_of(const jang::json::Value& value) {
  if (!value.is_structured()) return 0;
  int deepest = 0;
  for (const auto& child : value) deepest = std::max(deepest, depth_of(child));
  return deepest + 1;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const jang::json::Limits limits{.max_bytes = 1u << 20, .max_depth = 16};
  const auto value = jang::json::parse(text, "input", limits);
  if (!value.ok()) {
    JANG_CHECK(!value.status().message().empty());
    return 0;
  }
  JANG_CHECK(depth_of(*value) <= limits.max_depth);
  const std::string printed = jang::json::dump(*value);
  const auto again = jang::json::parse(printed, "printed", limits);
  JANG_CHECK(again.ok());
  JANG_CHECK(*again == *value);
  JANG_CHECK(jang::json::dump(*again) == printed);
  return 0;
}
