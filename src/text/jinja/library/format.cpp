// SPDX-License-Identifier: Apache-2.0
// "{} {1} {name}".format(...), without conversions, specifications and look-ups inside a field.
#include "text/jinja/library/format.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "text/jinja/runtime/print.h"
#include "text/jinja/runtime/refused.h"

namespace jang::text::jinja {
namespace {

class BraceFormatter {
 public:
  BraceFormatter(Runtime& runtime, const Text& format, const Arguments& arguments)
      : runtime_(runtime), arguments_(arguments), format_(format) {}

  Result<Value> run() {
    const std::string& bytes = format_.bytes();
    JANG_TRY(runtime_.charge_bytes(bytes.size()));
    Text out;
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t brace = std::min(bytes.find_first_of("{}", at), bytes.size());
      out.append(format_, at, brace);
      if (brace == bytes.size()) break;
      if (brace + 1 < bytes.size() && bytes[brace + 1] == bytes[brace]) {
        out.append(format_, brace, brace + 1);
        at = brace + 2;
        continue;
      }
      if (bytes[brace] == '}') return template_error("Single '}' encountered in format string");
      const std::size_t end = bytes.find('}', brace);
      if (end == std::string::npos) return template_error("expected '}' before end of string");
      JANG_ASSIGN(const Value value, argument(std::string_view(bytes).substr(brace + 1, end - brace - 1)));
      JANG_TRY(print(runtime_, value, out));
      JANG_TRY(Runtime::check_string_size(out.size()));
      at = end + 1;
    }
    return runtime_.string(std::move(out));
  }

 private:
  Result<Value> argument(std::string_view field) {
    if (field.find_first_of("{!:.[") != std::string_view::npos)
      return not_supported(fmt::format("the field {} of str.format()", in_quotes(fmt::format("{{{}}}", field))));
    if (field.empty()) {
      if (manual_) return template_error("cannot switch from manual field specification to automatic field numbering");
      automatic_ = true;
      return positional(next_++);
    }
    std::size_t index = 0;
    const auto parsed = std::from_chars(field.data(), field.data() + field.size(), index);
    if (parsed.ec == std::errc() && parsed.ptr == field.data() + field.size()) {
      if (automatic_) return template_error("cannot switch from automatic field numbering to manual field specification");
      manual_ = true;
      return positional(index);
    }
    for (const auto& [key, value] : arguments_.named)
      if (key == field) return value;
    return template_error(fmt::format("there is no argument {}", in_quotes(field)));
  }

  [[nodiscard]] Result<Value> positional(std::size_t index) const {
    if (index >= arguments_.positional.size())
      return template_error(fmt::format("Replacement index {} out of range for positional args tuple", index));
    return arguments_.positional[index];
  }

  Runtime& runtime_;
  const Arguments& arguments_;
  const Text& format_;
  std::size_t next_ = 0;
  bool automatic_ = false, manual_ = false;
};

}  // namespace

Result<Value> format_braces(Runtime& runtime, const Text& format, const Arguments& arguments) {
  return BraceFormatter(runtime, format, arguments).run();
}

}  // namespace jang::text::jinja
