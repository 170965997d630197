// SPDX-License-Identifier: Apache-2.0
// `jang chat`: a conversation on the terminal through the model's own chat template. Ctrl-C stops an answer; at the prompt it ends the
// program, as end of input does. What was said stays in the caches, so a turn computes only what is new.
//
// With input from a pipe or a file nobody is there to see that a turn failed or to go on after an interrupt: the exit code is that of the
// first turn that failed, and a signal ends the program.
#include <csignal>
#include <cstdio>
#include <ctime>
#include <iostream>
#include <string>

#include <unistd.h>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/failure.h"
#include "cli/generation.h"
#include "cli/interrupt.h"
#include "cli/units.h"
#include "engine/chat_prompt.h"

namespace jang::cli {
namespace {

constexpr std::string_view kHelp =
    "  /clear         forget the conversation\n"
    "  /system TEXT   set the system message and start anew\n"
    "  /regen         answer the last message again\n"
    "  /timings       show or hide timings after answers\n"
    "  /exit          end (so does end of input)\n"
    "  /help          this list\n"
    "Ctrl-C stops an answer.\n";

text::Moment now() {
  const std::time_t time = std::time(nullptr);
  std::tm local{};
  localtime_r(&time, &local);
  return {static_cast<std::int64_t>(time), static_cast<std::int64_t>(local.tm_gmtoff)};
}

class Conversation {
 public:
  Conversation(engine::Engine& engine, const text::Tokenizer& tokenizer, const text::ChatTemplate& chat_template,
               const GenerationOptions& options, bool timings, bool interactive, std::string system)
      : engine_(engine),
        tokenizer_(tokenizer),
        template_(chat_template),
        options_(options),
        generator_(engine, options.sampling, options.chunk),
        timings_(timings),
        interactive_(interactive),
        system_(std::move(system)) {
    clear();
  }

  // False when the conversation is over, here and in say().
  bool command(const std::string& line) {
    if (line == "/exit" || line == "/quit") return false;
    if (line == "/clear") {
      clear();
    } else if (line == "/timings") {
      timings_ = !timings_;
    } else if (line.starts_with("/system")) {
      system_ = line.size() > 8 ? line.substr(8) : "";
      clear();
    } else if (line == "/regen") {
      return regenerate();
    } else {
      if (line != "/help") print_message(fmt::format("no command {}\n", printable(line)));
      print_message(kHelp);
    }
    return true;
  }

  bool say(const std::string& text) {
    messages_.push_back({{"role", "user"}, {"content", text}});
    return answer();
  }

  // Exit code of the conversation so far.
  [[nodiscard]] int code() const { return code_; }

 private:
  void clear() {
    messages_ = json::Value::array();
    if (!system_.empty()) messages_.push_back({{"role", "system"}, {"content", system_}});
  }

  bool regenerate() {
    if (!messages_.empty() && messages_.back()["role"] == "assistant") messages_.erase(messages_.size() - 1);
    if (!messages_.empty() && messages_.back()["role"] == "user") return answer();
    print_message("there is nothing to answer again\n");
    return true;
  }

  // A message that could not be answered is taken back: the next one starts from a conversation that works.
  bool answer() {
    clear_interrupt();
    const Status status = try_answer();
    const int signal = interrupt_signal();
    clear_interrupt();
    if (signal != 0 && (!interactive_ || signal == SIGTERM)) {
      code_ = 128 + signal;
      return false;
    }
    if (status.ok()) return true;
    print_message(fmt::format("\n{}\n", failure_line("no answer", "chat", status)));
    if (!messages_.empty() && messages_.back()["role"] == "user") messages_.erase(messages_.size() - 1);
    // What cannot be written now cannot be written later.
    const bool over = status.is_write_error();
    if (over || (!interactive_ && code_ == kExitOk)) code_ = exit_code(status);
    return !over;
  }

  Status try_answer() {
    JANG_ASSIGN(const std::vector<std::int32_t> ids,
                engine::chat_tokens(tokenizer_, template_, {{"messages", messages_}, {"add_generation_prompt", true}}, now()));
    const std::int64_t context = context_of(engine_, options_);
    if (static_cast<std::int64_t>(ids.size()) >= context)
      return {StatusCode::invalid_argument,
              fmt::format("the conversation has {} tokens, the context {}; /clear starts anew", ids.size(), context)};
    JANG_TRY(generator_.set_prompt(ids, &cancel_flag()));
    tell_of_wider_cache(generator_, &told_of_cache_);
    Status written;
    JANG_ASSIGN(const Answer answer, stream_answer(generator_, tokenizer_, options_, context, cancel_flag(), [&](std::string_view piece) {
                  written = print_result(piece);
                  return written.ok();
                }));
    JANG_TRY(written);
    JANG_TRY(print_result("\n"));
    tell_of_wider_cache(generator_, &told_of_cache_);
    messages_.push_back({{"role", "assistant"}, {"content", answer.text}});
    if (answer.stopped_by == "context") print_message("(the context is full; /clear starts anew)\n");
    if (timings_) print_message(timings_text(generator_.timings()) + "\n");
    return {};
  }

  engine::Engine& engine_;
  const text::Tokenizer& tokenizer_;
  const text::ChatTemplate& template_;
  const GenerationOptions options_;
  engine::Generator generator_;
  bool timings_, told_of_cache_ = false;
  const bool interactive_;
  int code_ = kExitOk;
  std::string system_;
  json::Value messages_;
};

// Exit code of the conversation.
Result<int> converse(const Arguments& arguments, const Surroundings& surroundings) {
  JANG_ASSIGN(const GenerationOptions options, generation_options(arguments));
  JANG_ASSIGN(const engine::LoadOptions load, load_options(arguments));
  JANG_ASSIGN(const std::unique_ptr<engine::Engine> engine, load_named_model(arguments.value("MODEL"), surroundings, load));
  JANG_ASSIGN(const text::Tokenizer* tokenizer, engine->tokenizer());
  Result<text::ChatTemplate> chat_template = text::ChatTemplate::load(engine->directory());
  if (!chat_template.ok() && chat_template.status().code() == StatusCode::not_found)
    return Status(StatusCode::not_found, "the model has no chat template: it was not made for conversations; `jang run` continues text");
  JANG_TRY(chat_template.status());
  Conversation conversation(*engine, *tokenizer, *chat_template, options, arguments.has("--timings"), isatty(STDIN_FILENO) == 1,
                            arguments.value("--system"));
  const bool prompts = surroundings.stderr_redraws;
  if (prompts) print_message("/help lists the commands\n");
  std::string line;
  for (;;) {
    catch_interrupts_of_reading();  // before the prompt: a Ctrl-C that answers it must end the program
    if (prompts) print_message("> ");
    const bool more = static_cast<bool>(std::getline(std::cin, line));
    catch_interrupts();
    if (!more && std::ferror(stdin) != 0) return Status(StatusCode::io, "standard input could not be read");
    if (!more) return conversation.code();
    if (line.ends_with('\r')) line.pop_back();  // a file written elsewhere
    if (line.empty()) continue;
    if (!(line.front() == '/' ? conversation.command(line) : conversation.say(line))) return conversation.code();
  }
}

}  // namespace

int run_chat(const Arguments& arguments, const Surroundings& surroundings) {
  catch_interrupts();
  const Result<int> code = converse(arguments, surroundings);
  if (code.ok()) return *code;
  return fail(fmt::format("cannot chat with {}", printable(arguments.value("MODEL"))), "chat", code.status(), surroundings.stderr_color);
}

}  // namespace jang::cli
