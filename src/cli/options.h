// SPDX-License-Identifier: Apache-2.0
// The one table of commands and options. It feeds the parser (arguments.cpp), --help and docs/cli.md (help.cpp) and the completion scripts
// (completion_script.cpp): an option added here exists everywhere at once.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace jang::cli {

enum class Kind : std::uint8_t {
  positional,  // a word, required
  optional,    // a word behind those, which may be left out
  flag,        // no value
  value,       // one value, given at most once
  list,        // one value each time, given any number of times
};

// What a shell offers for the value, where there are no fixed choices.
enum class Offers : std::uint8_t { nothing, directory, file, profile };

struct Option {
  std::string_view commands;  // names separated by spaces; "*" = every command
  Kind kind;
  std::string_view name;           // "--output", or "SRC" for a positional
  char letter;                     // 'o', or 0
  std::string_view value_name;     // "DIR"; empty for flags
  std::string_view default_value;  // what the program assumes when the option is absent; empty = nothing
  std::string_view choices;        // "fit|rtn", empty = free text
  Offers offers;
  std::string_view help;
  bool hidden;  // works, but is not listed
};

struct Command {
  std::string_view name;
  std::string_view summary;   // one line
  std::string_view details;   // shown by `jang NAME --help`; one sentence a line
  std::string_view examples;  // one a line
};

// A word with a place instead of a name.
[[nodiscard]] constexpr bool is_word(const Option& option) { return option.kind == Kind::positional || option.kind == Kind::optional; }

[[nodiscard]] std::span<const Command> commands();
[[nodiscard]] std::span<const Option> options();

[[nodiscard]] const Command* find_command(std::string_view name);  // nullptr when unknown
// Options of one command in table order, hidden ones included.
[[nodiscard]] std::vector<const Option*> options_of(std::string_view command);
[[nodiscard]] std::vector<std::string_view> choices_of(const Option& option);
[[nodiscard]] std::vector<std::string_view> command_names();

}  // namespace jang::cli
