// SPDX-License-Identifier: Apache-2.0
// json.dumps().
#pragma once

#include <string>

#include "text/jinja/runtime/runtime.h"

namespace jang::text::jinja {

struct JsonStyle {
  bool ascii = false;
  bool sorted = false;
  bool indented = false;
  std::string indent;
  Text item_separator{", "}, key_separator{": "};
};
[[nodiscard]] Status print_json(Runtime& runtime, const Value& value, const JsonStyle& style, Text& out);

}  // namespace jang::text::jinja
