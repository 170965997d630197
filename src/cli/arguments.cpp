// SPDX-License-Identifier: Apache-2.0
// CLI11 splits the words; the option table says which exist. Only this file sees CLI11, and its exceptions end here.
#include "cli/arguments.h"

#include <algorithm>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "cli/check.h"
#include "cli/failure.h"
#include "cli/options.h"
#include "cli/units.h"
#include "jang/text_input.h"

namespace jang::cli {
namespace {

using Given = std::map<std::string, std::vector<std::string>, std::less<>>;

// Values land in `values`, counts of flags in `flags`; both keyed by the option's name in the table.
struct Sink {
  Given values;
  std::map<std::string, int, std::less<>> flags;
};

void declare(CLI::App& app, std::string_view command, Sink& sink) {
  app.set_help_flag();  // --help is a row of the table
  app.allow_extras();   // unknown options come back to us and get a hint
  const std::vector<const Option*> rows = options_of(command);
  const auto last = std::find_if(rows.rbegin(), rows.rend(), [](const Option* o) { return is_word(*o); });
  for (const Option* option : rows) {
    const std::string key(option->name);
    const std::string spelling = option->letter ? fmt::format("-{},{}", option->letter, key) : key;
    if (option->kind == Kind::flag) {
      app.add_flag(spelling, sink.flags[key]);
    } else {
      // One word per occurrence, or `--tensor a=2 SRC` would swallow SRC; how often it may occur is checked below.
      CLI::Option* added = app.add_option(spelling, sink.values[key])->allow_extra_args(false);
      added->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
      // The last positional takes what is too much, to name it; those before it take one word.
      if (is_word(*option) && option != *last) added->expected(1);
    }
  }
}

Status unknown_word(const std::string& word, std::string_view command) {
  if (!word.starts_with('-') || word == "-") {
    return usage(fmt::format("unexpected argument '{}'; quote values that contain spaces", printable(word)));
  }
  std::vector<std::string_view> known;
  for (const Option* option : options_of(command))
    if (!is_word(*option) && !option->hidden) known.push_back(option->name);
  const std::string name = word.substr(0, word.find('='));
  // An option of another command: say where it belongs rather than guess a spelling.
  for (const Option& option : options()) {
    if (option.name != name) continue;
    std::string where(option.commands);
    for (std::size_t at = 0; (at = where.find(' ', at)) != std::string::npos; at += 2) where.replace(at, 1, ", ");
    return usage(fmt::format("`jang {}` has no option {}; it belongs to: {}", command, name, where));
  }
  return usage(fmt::format("`jang {}` has no option {}{}", command, printable(name), nearest_hint(name, known)));
}

Status check_values(std::string_view command, const Given& given) {
  const bool wants_help = given.contains("--help");
  for (const Option* option : options_of(command)) {
    const auto found = given.find(option->name);
    if (found == given.end()) {
      if (option->kind == Kind::positional && !wants_help)
        return usage(fmt::format("`jang {}` needs {}: {}", command, option->name, option->help));
      continue;
    }
    if (option->kind == Kind::flag) continue;
    if (option->kind != Kind::list && found->second.size() > 1) {
      return is_word(*option) ? usage(fmt::format("unexpected argument '{}'; `jang {}` takes one {}", printable(found->second[1]), command,
                                                  option->name))
                              : usage(fmt::format("{} is given {} times", option->name, found->second.size()));
    }
    for (const std::string& value : found->second) {
      if (value.empty()) return usage(fmt::format("{} is empty", option->name));
      const std::vector<std::string_view> choices = choices_of(*option);
      if (!choices.empty() && std::find(choices.begin(), choices.end(), value) == choices.end()) {
        return usage(fmt::format("{} must be one of {}, not '{}'{}", option->name, fmt::join(choices, ", "), printable(value),
                                 nearest_hint(value, choices)));
      }
    }
  }
  return {};
}

Given collect(const Sink& sink) {
  Given given;
  for (const auto& [name, values] : sink.values)
    if (!values.empty()) given.emplace(name, values);
  for (const auto& [name, count] : sink.flags)
    if (count > 0) given.emplace(name, std::vector<std::string>{});
  return given;
}

Result<Arguments> parse_command(const std::string& command, const std::vector<std::string>& words) {
  Sink sink;
  CLI::App app;
  declare(app, command, sink);
  try {
    std::vector<std::string> reversed(words.rbegin(), words.rend());  // CLI11 takes its vector from the back
    app.parse(std::move(reversed));
  } catch (const CLI::ParseError& error) {
    return usage(fmt::format("{} (see `jang {} --help`)", printable(error.what()), command));
  }
  const std::vector<std::string> extras = app.remaining();
  if (!extras.empty()) return unknown_word(extras.front(), command);
  Given given = collect(sink);
  JANG_TRY(check_values(command, given));
  return Arguments(command, std::move(given));
}

}  // namespace

std::string Arguments::value(std::string_view name) const {
  const auto found = given_.find(name);
  if (found != given_.end() && !found->second.empty()) return found->second.front();
  // The same name may have another default elsewhere.
  for (const Option* option : options_of(command_))
    if (option->name == name) return std::string(option->default_value);
  const auto rows = options();
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const Option& o) { return o.name == name; });
  check(row != rows.end());
  return std::string(row->default_value);
}

std::vector<std::string> Arguments::values(std::string_view name) const {
  const auto found = given_.find(name);
  return found == given_.end() ? std::vector<std::string>{} : found->second;
}

Result<Arguments> parse_arguments(const std::vector<std::string>& words) {
  if (words.empty()) return usage("no command; `jang --help` lists them");
  const std::string& first = words.front();
  if (first == "--help" || first == "-h" || first == "help") {
    const bool of_command = words.size() > 1 && find_command(words[1]) != nullptr;  // `jang help convert`
    return Arguments(of_command ? words[1] : "", {{"--help", {}}});
  }
  if (first == "--version" || first == "-V") return parse_command("version", {words.begin() + 1, words.end()});
  if (first.starts_with('-')) return usage(fmt::format("'{}' stands before the command; write `jang COMMAND [options]`", printable(first)));
  if (find_command(first) == nullptr) {
    const std::vector<std::string_view> known = command_names();
    return usage(fmt::format("unknown command '{}'{}; `jang --help` lists them", printable(first), nearest_hint(first, known)));
  }
  return parse_command(first, {words.begin() + 1, words.end()});
}

}  // namespace jang::cli
