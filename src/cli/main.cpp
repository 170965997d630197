// SPDX-License-Identifier: Apache-2.0
// The program: parse, find the command, run it. Exceptions of the standard library end here; only running out of memory is expected.
#include <cstdlib>
#include <exception>
#include <new>
#include <string>
#include <system_error>
#include <vector>

#include <unistd.h>

#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/check.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/help.h"
#include "cli/terminal.h"

namespace {

using namespace jang::cli;

constexpr std::string_view kOutOfMemory =
    "error: out of memory\n  why: an allocation failed\n  fix: close other programs or use fewer --threads\n";

ColorWhen color_when(const jang::cli::Arguments& arguments) {
  const std::string when = arguments.value("--color");
  return when == "always" ? ColorWhen::always : when == "never" ? ColorWhen::never : ColorWhen::automatic;
}

int usage_error(const jang::Status& status, const std::vector<std::string>& words) {
  const Surroundings surroundings = read_surroundings(ColorWhen::automatic);
  print_message(fmt::format("{}{}\n", styled("error: ", Style::red, surroundings.stderr_color), status.message()));
  if (words.empty()) print_message(help_text(""));
  return exit_code(status);
}

int run(const std::vector<std::string>& words) {
  const jang::Result<Arguments> parsed = parse_arguments(words);
  if (!parsed.ok()) return usage_error(parsed.status(), words);
  const Arguments& arguments = parsed.value();
  const Surroundings surroundings = read_surroundings(color_when(arguments));
  if (arguments.has("--help")) return finish(help_text(arguments.command()), surroundings);
  const CommandFunction command = command_function(arguments.command());
  check(command != nullptr);
  return command(arguments, surroundings);
}

// Exit code for what the standard library threw: no memory (a thread that cannot start is that too), or a bug of ours.
int exit_code_of_exception(const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const std::bad_alloc&) {
    print_message(kOutOfMemory);
    return kExitOutOfMemory;
  } catch (const std::system_error& error) {
    print_message(fmt::format("error: the system refused a resource\n  why: {}\n  fix: use fewer --threads\n", error.what()));
    return kExitOutOfMemory;
  } catch (const std::exception& error) {
    print_message(fmt::format("internal error: {}\n", error.what()));
    return kExitFailure;
  }
}

// An exception that escapes a worker thread arrives here. Nothing can be unwound, but the exit code can still be right.
[[noreturn]] void on_terminate() {
  if (const std::exception_ptr exception = std::current_exception()) _exit(exit_code_of_exception(exception));
  std::abort();
}

}  // namespace

int main(int argc, char** argv) {
  std::set_terminate(on_terminate);
  try {
    return run(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
  } catch (const std::exception&) {
    return exit_code_of_exception(std::current_exception());
  }
}
