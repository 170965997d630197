// SPDX-License-Identifier: Apache-2.0
// Help and reference from the table: usage line, options in two columns, exit codes.
#include "cli/help.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "cli/check.h"
#include "cli/exit_code.h"
#include "cli/options.h"

namespace jang::cli {
namespace {

constexpr std::size_t kHelpColumn = 30;
constexpr std::size_t kHelpWidth = 100;

std::string spelling(const Option& option) {
  if (is_word(option)) return std::string(option.name);
  std::string text = option.letter ? fmt::format("-{}, {}", option.letter, option.name) : fmt::format("    {}", option.name);
  if (!option.value_name.empty()) text += fmt::format(" {}", option.value_name);
  return text;
}

// Help, choices and default in one sentence-like string.
std::string description(const Option& option) {
  std::string text(option.help);
  if (!option.choices.empty()) {
    std::string choices(option.choices);
    std::replace(choices.begin(), choices.end(), '|', ' ');
    text += fmt::format(" [{}]", choices);
  }
  if (!option.default_value.empty()) text += fmt::format(" (default {})", option.default_value);
  return text;
}

// Words of `text`, line breaks being spaces, in lines of kHelpWidth. `column` is where the first word goes, `indent` where lines go on.
std::string wrapped(std::string_view text, std::size_t column, std::size_t indent) {
  std::string out;
  bool first = true;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(" \n"), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!first && column + 1 + word.size() > kHelpWidth) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
      first = true;
    }
    out += first ? std::string(word) : " " + std::string(word);
    column += word.size() + (first ? 0 : 1);
    first = false;
  }
  return out + "\n";
}

// `left` padded to the help column, `text` wrapped beside it.
std::string two_columns(std::string_view left, std::string_view text) {
  std::string out = fmt::format("  {:<{}}", left, kHelpColumn - 2);
  if (out.size() > kHelpColumn) out += "\n" + std::string(kHelpColumn, ' ');
  return out + wrapped(text, kHelpColumn, kHelpColumn);
}

std::string usage_of(std::string_view command) {
  std::string usage = fmt::format("jang {}", command);
  for (const Option* option : options_of(command))
    if (is_word(*option)) usage += option->kind == Kind::optional ? fmt::format(" [{}]", option->name) : fmt::format(" {}", option->name);
  return usage + " [options]";
}

std::string indented(std::string_view lines) {
  std::string out = "  ";
  for (const char c : lines) out += c == '\n' ? std::string("\n  ") : std::string(1, c);
  return out + "\n";
}

std::string program_help() {
  std::string out =
      "jang makes language models small (2 to 8 bits a weight), runs them and measures what was lost.\n\n"
      "Usage: jang COMMAND [options]\n\n"
      "First steps:\n"
      "  jang convert ./Qwen3-8B                        # writes ./Qwen3-8B-JANG_4K\n"
      "  jang run ./Qwen3-8B-JANG_4K -p 'Once upon a time'\n"
      "  jang compare ./Qwen3-8B -f text.txt            # what each size costs\n\n"
      "Commands:\n";
  for (const Command& command : commands()) out += two_columns(command.name, command.summary);
  out += "\nExit codes:\n";
  for (const ExitCodeRow& row : kExitCodes) out += two_columns(fmt::format("{}", static_cast<int>(row.code)), row.meaning);
  return out + "\n`jang COMMAND --help` shows the options of one command. Results go to stdout, progress and messages to stderr.\n";
}

std::string escaped_for_table(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

}  // namespace

std::string help_text(std::string_view command) {
  if (command.empty()) return program_help();
  const Command* row = find_command(command);
  check(row != nullptr);
  std::string out = fmt::format("{}\n\nUsage: {}\n", row->summary, usage_of(command));
  if (!row->details.empty()) out += "\n" + wrapped(row->details, 0, 0);
  std::string positionals, listed;
  for (const Option* option : options_of(command)) {
    if (option->hidden) continue;
    (is_word(*option) ? positionals : listed) += two_columns(spelling(*option), description(*option));
  }
  if (!positionals.empty()) out += "\nArguments:\n" + positionals;
  out += "\nOptions:\n" + listed;
  if (!row->examples.empty()) out += "\nExamples:\n" + indented(row->examples);
  return out;
}

std::string cli_markdown() {
  std::string out =
      "# Command line\n\n"
      "This page is printed by `jang completion markdown` from the option table in `src/cli/options.cpp`; a test compares the two.\n\n"
      "Results go to stdout, progress and messages go to stderr.\n"
      "Nothing prompts.\n"
      "The environment variables read are `NO_COLOR`, `TERM`, `COLUMNS`, `HF_HUB_CACHE`, `HUGGINGFACE_HUB_CACHE`, `HF_HOME`,\n"
      "`XDG_CACHE_HOME` and `HOME`.\n"
      "JSON documents carry `schema_version`.\n";
  for (const Command& command : commands()) {
    out += fmt::format("\n## jang {}\n\n{}.\n", command.name, command.summary);
    if (!command.details.empty()) out += fmt::format("{}\n", command.details);
    out += fmt::format("\n```\n{}\n", usage_of(command.name));
    if (!command.examples.empty()) out += fmt::format("\n{}\n", command.examples);
    out += "```\n\n| option | meaning |\n|---|---|\n";
    for (const Option* option : options_of(command.name)) {
      if (option->hidden) continue;
      std::string name = spelling(*option);
      name.erase(0, name.find_first_not_of(' '));
      out += fmt::format("| `{}` | {} |\n", name, escaped_for_table(description(*option)));
    }
  }
  out += "\n## Exit codes\n\n| code | meaning |\n|---|---|\n";
  for (const ExitCodeRow& row : kExitCodes) out += fmt::format("| {} | {} |\n", static_cast<int>(row.code), row.meaning);
  return out;
}

}  // namespace jang::cli
