// SPDX-License-Identifier: Apache-2.0
// Documents as the program prints them. Their keys keep their order; the library's own documents are taken up as they are.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace jang::cli {

using Json = nlohmann::ordered_json;

inline constexpr int kSchemaVersion = 1;

// Text with `indent` spaces per level, or on one line. Invalid UTF-8 is replaced; numbers that are not finite are null.
[[nodiscard]] inline std::string dump(const Json& value, int indent = -1) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

// A document that the library wrote. Precondition: it is one.
[[nodiscard]] inline Json parse_document(const std::string& text) { return Json::parse(text); }

// A document with the version of the program's own in front.
[[nodiscard]] inline Json new_document() {
  Json v = Json::object();
  v["schema_version"] = kSchemaVersion;
  return v;
}

}  // namespace jang::cli
