// SPDX-License-Identifier: Apache-2.0
// One generator per shell. What a value completes to comes from choices_of() first, then from Option::offers.
#include "cli/completion_script.h"

#include <fmt/format.h>

#include "cli/options.h"

namespace jang::cli {
namespace {

using Names = std::vector<std::string_view>;

// Fixed words offered for the value of an option; empty = none.
Names words_of(const Option& option, const Names& profiles) { return option.offers == Offers::profile ? profiles : choices_of(option); }

// Inside single quotes of a POSIX-like shell.
std::string single_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'')
      out += "'\\''";
    else
      out += c;
  }
  return out + "'";
}

// Inside single quotes of fish, where backslash escapes.
std::string fish_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

// Part of an _arguments specification: its own separators are escaped, then the whole is quoted.
std::string zsh_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == ':' || c == '[' || c == ']' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string bash_values(const Option& option, const Names& profiles) {
  const Names words = words_of(option, profiles);
  if (!words.empty()) return fmt::format("COMPREPLY=($(compgen -W \"{}\" -- \"$cur\"))", fmt::join(words, " "));
  switch (option.offers) {
    case Offers::directory: return "compopt -o filenames; COMPREPLY=($(compgen -d -- \"$cur\"))";
    case Offers::file: return "compopt -o filenames; COMPREPLY=($(compgen -f -- \"$cur\"))";
    default: return "COMPREPLY=()";
  }
}

std::string bash_command(const Command& command, const Names& profiles) {
  std::string cases, flags;
  std::vector<std::string> positionals;
  for (const Option* option : options_of(command.name)) {
    if (option->hidden) continue;
    if (is_word(*option)) {
      positionals.push_back(bash_values(*option, profiles));
      continue;
    }
    flags += fmt::format("{}{}", flags.empty() ? "" : " ", option->name);
    if (option->letter) flags += fmt::format(" -{}", option->letter);
    if (option->kind == Kind::flag) continue;
    const std::string pattern = option->letter ? fmt::format("{}|-{}", option->name, option->letter) : std::string(option->name);
    cases += fmt::format("        {}) {}; return ;;\n", pattern, bash_values(*option, profiles));
  }
  std::string positional = positionals.empty() ? "COMPREPLY=()" : positionals.back();
  for (std::size_t i = positionals.size(); i-- > 1;)  // the words before the last are told apart by their place
    positional = fmt::format("if ((COMP_CWORD == {})); then {}; else {}; fi", i + 1, positionals[i - 1], positional);
  std::string out = fmt::format("    {})\n", command.name);
  if (!cases.empty()) out += fmt::format("      case \"$prev\" in\n{}      esac\n", cases);
  out +=
      fmt::format("      if [[ \"$cur\" == -* ]]; then COMPREPLY=($(compgen -W \"{}\" -- \"$cur\")); else {}; fi ;;\n", flags, positional);
  return out;
}

std::string zsh_action(const Option& option, const Names& profiles) {
  const Names words = words_of(option, profiles);
  if (!words.empty()) return fmt::format("({})", fmt::join(words, " "));
  switch (option.offers) {
    case Offers::directory: return "_files -/";
    case Offers::file: return "_files";
    default: return "";
  }
}

// `place`: of a positional, from 1.
std::string zsh_option(const Option& option, int place, const Names& profiles) {
  if (is_word(option)) return single_quoted(fmt::format("{}:{}:{}", place, zsh_text(option.name), zsh_action(option, profiles)));
  std::string tail = fmt::format("[{}]", zsh_text(option.help));
  if (option.kind != Kind::flag) tail += fmt::format(":{}:{}", zsh_text(option.value_name), zsh_action(option, profiles));
  const std::string repeat = option.kind == Kind::list ? "*" : "";
  std::string spec = single_quoted(repeat + std::string(option.name) + tail);
  if (option.letter) spec += " " + single_quoted(fmt::format("{}-{}{}", repeat, option.letter, tail));
  return spec;
}

std::string fish_option(const Command& command, const Option& option, const Names& profiles) {
  std::string line = fmt::format("complete -c jang -n '__fish_seen_subcommand_from {}'", command.name);
  if (!is_word(option)) {
    line += fmt::format(" -l {}", option.name.substr(2));
    if (option.letter) line += fmt::format(" -s {}", option.letter);
    line += fmt::format(" -d {}", fish_quoted(option.help));
  }
  if (option.kind == Kind::flag) return line + "\n";
  const Names words = words_of(option, profiles);
  if (!words.empty()) return line + fmt::format(" -xa '{}'\n", fmt::join(words, " "));
  switch (option.offers) {
    case Offers::directory: return line + " -xa '(__fish_complete_directories)'\n";
    case Offers::file: return line + " -rF\n";
    default: return line + " -x\n";
  }
}

}  // namespace

std::string bash_completion(const Names& profiles) {
  std::string out =
      "# bash completion for jang\n"
      "_jang() {\n"
      "  local cur=\"${COMP_WORDS[COMP_CWORD]}\" prev=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
      "  COMPREPLY=()\n";
  out += fmt::format(
      "  if ((COMP_CWORD == 1)); then\n"
      "    COMPREPLY=($(compgen -W \"{} --help --version\" -- \"$cur\"))\n"
      "    return\n"
      "  fi\n"
      "  case \"${{COMP_WORDS[1]}}\" in\n",
      fmt::join(command_names(), " "));
  for (const Command& command : commands()) out += bash_command(command, profiles);
  return out + "  esac\n}\ncomplete -F _jang jang\n";
}

std::string zsh_completion(const Names& profiles) {
  std::string out =
      "#compdef jang\n"
      "_jang() {\n"
      "  local -a commands\n"
      "  commands=(\n";
  for (const Command& command : commands())
    out += fmt::format("    {}\n", single_quoted(fmt::format("{}:{}", command.name, zsh_text(command.summary))));
  out +=
      "  )\n"
      "  if ((CURRENT == 2)); then\n"
      "    _describe command commands\n"
      "    return\n"
      "  fi\n"
      "  local command=$words[2]\n"
      "  shift words\n"
      "  ((CURRENT--))\n"
      "  case $command in\n";
  for (const Command& command : commands()) {
    out += fmt::format("    {})\n      _arguments", command.name);
    int place = 0;
    for (const Option* option : options_of(command.name)) {
      if (is_word(*option)) ++place;
      if (!option->hidden) out += " \\\n        " + zsh_option(*option, place, profiles);
    }
    out += " ;;\n";
  }
  return out + "  esac\n}\nif [ \"$funcstack[1]\" = _jang ]; then _jang \"$@\"; else compdef _jang jang; fi\n";
}

std::string fish_completion(const Names& profiles) {
  std::string out = "# fish completion for jang\ncomplete -c jang -f\n";
  for (const Command& command : commands())
    out += fmt::format("complete -c jang -n __fish_use_subcommand -a {} -d {}\n", command.name, fish_quoted(command.summary));
  for (const Command& command : commands())
    for (const Option* option : options_of(command.name))
      if (!option->hidden) out += fish_option(command, *option, profiles);
  return out;
}

}  // namespace jang::cli
