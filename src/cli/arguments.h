// SPDX-License-Identifier: Apache-2.0
// The command line as data. Parsing checks names, arity and fixed choices against the option table; numbers and names with a meaning are
// checked by the command that uses them. Nothing here prints or exits.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "jang/status.h"

namespace jang::cli {

class Arguments {
 public:
  Arguments() = default;
  Arguments(std::string command, std::map<std::string, std::vector<std::string>, std::less<>> given)
      : command_(std::move(command)), given_(std::move(given)) {}

  // "" when only program-wide flags were given (`jang --help`).
  [[nodiscard]] const std::string& command() const { return command_; }
  [[nodiscard]] bool has(std::string_view name) const { return given_.contains(name); }
  // What was given, else the table's default. Precondition: `name` is in the option table.
  [[nodiscard]] std::string value(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> values(std::string_view name) const;

 private:
  std::string command_;
  std::map<std::string, std::vector<std::string>, std::less<>> given_;  // keys as in the option table, "--output" or "SRC"
};

// `words`: argv without the program name. Errors: invalid_argument (a usage error), with the nearest known name.
[[nodiscard]] Result<Arguments> parse_arguments(const std::vector<std::string>& words);

}  // namespace jang::cli
