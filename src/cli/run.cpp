// SPDX-License-Identifier: Apache-2.0
// `jang run`: continues a prompt, text streamed to stdout as it comes.
#include "cli/run.h"

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/failure.h"
#include "cli/generation.h"
#include "cli/interrupt.h"
#include "cli/units.h"
#include "jang/session.h"
#include "jang/text_input.h"

namespace jang::cli {
namespace {

constexpr std::size_t kMaxPromptBytes = std::size_t{256} << 20;

Result<std::string> prompt_of(const Arguments& arguments) {
  if (arguments.has("--prompt") == arguments.has("--file"))
    return Status(StatusCode::invalid_argument, "give the prompt with either -p TEXT or -f FILE");
  if (arguments.has("--prompt")) return arguments.value("--prompt");
  return read_text_input(arguments.value("--file"), kMaxPromptBytes);
}

struct Ran {
  Answer answer;
  Timings timings;
  std::size_t prompt_tokens = 0;
};

Result<Ran> run_prompt(const Arguments& arguments, const Surroundings& surroundings) {
  JANG_ASSIGN(const GenerationOptions options, generation_options(arguments));
  JANG_ASSIGN(const ModelOptions how, model_options(arguments));
  JANG_ASSIGN(const std::string prompt, prompt_of(arguments));
  catch_interrupts();  // not before: a prompt may come from a pipe, and a signal ends the wait for it
  JANG_ASSIGN(const Model model, open_named_model(arguments.value("MODEL"), surroundings, how));
  JANG_ASSIGN(const std::vector<std::int32_t> ids, model.prompt_tokens(prompt));
  JANG_ASSIGN(Session session, Session::create(model, options.session));
  if (static_cast<std::int64_t>(ids.size()) >= session.context_length())
    return Status(StatusCode::invalid_argument, fmt::format("the prompt has {} tokens, the context {}; raise --ctx-size or shorten it",
                                                            ids.size(), session.context_length()));
  JANG_TRY(session.set_prompt(ids, &cancel_flag()));
  bool told = false;
  tell_of_wider_cache(session, &told);
  const bool as_json = arguments.has("--json");
  Status written;
  const auto print = [&](std::string_view piece) {
    if (!as_json) written = print_result(piece);
    return written.ok();
  };
  JANG_ASSIGN(Answer answer, session.generate(print, options.limits, &cancel_flag()));
  tell_of_wider_cache(session, &told);
  JANG_TRY(written);
  return Ran{std::move(answer), session.timings(), ids.size()};
}

}  // namespace

int run_run(const Arguments& arguments, const Surroundings& surroundings) {
  const Result<Ran> ran = run_prompt(arguments, surroundings);
  if (!ran.ok())
    return fail(fmt::format("cannot run {}", printable(arguments.value("MODEL"))), "run", ran.status(), surroundings.stderr_color);
  const bool interrupted = ran->answer.stopped_by == StoppedBy::interrupt;
  if (arguments.has("--timings")) print_message(fmt::format("\n{}\n", timings_text(ran->timings)));
  const int code = interrupted ? 128 + std::max(interrupt_signal(), 2) : static_cast<int>(kExitOk);
  if (!arguments.has("--json")) return finish("\n", surroundings, code);
  return finish(dump({{"schema_version", kSchemaVersion},
                      {"text", ran->answer.text},
                      {"ids", ran->answer.ids},
                      {"prompt_tokens", ran->prompt_tokens},
                      {"stopped_by", to_string(ran->answer.stopped_by)},
                      {"timings", timings_json(ran->timings)}},
                     2) +
                    "\n",
                surroundings, code);
}

}  // namespace jang::cli
