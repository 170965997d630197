// SPDX-License-Identifier: Apache-2.0
// `jang chat`: a conversation on the terminal through the model's own chat template. Ctrl-C stops an answer; at the prompt it ends the
// program, as end of input does. What was said stays in the caches, so a turn computes only what is new.
//
// With input from a pipe or a file nobody is there to see that a turn failed or to go on after an interrupt: the exit code is that of the
// first turn that failed, and a signal ends the program.
#include "cli/chat.h"

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
#include "jang/chat_template.h"
#include "jang/session.h"

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

Moment now() {
  const std::time_t time = std::time(nullptr);
  std::tm local{};
  localtime_r(&time, &local);
  return {static_cast<std::int64_t>(time), static_cast<std::int64_t>(local.tm_gmtoff)};
}

class Conversation {
 public:
  Conversation(Session session, Tokenizer tokenizer, ChatTemplate chat_template, const AnswerLimits& limits, bool timings, bool interactive,
               std::string system)
      : session_(std::move(session)),
        tokenizer_(std::move(tokenizer)),
        template_(std::move(chat_template)),
        limits_(limits),
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
    messages_.push_back({"user", text});
    return answer();
  }

  // Exit code of the conversation so far.
  [[nodiscard]] int code() const { return code_; }

 private:
  void clear() {
    messages_.clear();
    if (!system_.empty()) messages_.push_back({"system", system_});
  }

  [[nodiscard]] bool last_is(std::string_view role) const { return !messages_.empty() && messages_.back().role == role; }

  bool regenerate() {
    if (last_is("assistant")) messages_.pop_back();
    if (last_is("user")) return answer();
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
    if (last_is("user")) messages_.pop_back();
    // What cannot be written now cannot be written later.
    const bool over = status.is_write_error();
    if (over || (!interactive_ && code_ == kExitOk)) code_ = exit_code(status);
    return !over;
  }

  Status try_answer() {
    JANG_ASSIGN(const std::vector<std::int32_t> ids, template_.tokens(tokenizer_, messages_, now()));
    if (static_cast<std::int64_t>(ids.size()) >= session_.context_length())
      return {StatusCode::invalid_argument,
              fmt::format("the conversation has {} tokens, the context {}; /clear starts anew", ids.size(), session_.context_length())};
    JANG_TRY(session_.set_prompt(ids, &cancel_flag()));
    tell_of_wider_cache(session_, &told_of_cache_);
    Status written;
    const auto print = [&](std::string_view piece) {
      written = print_result(piece);
      return written.ok();
    };
    JANG_ASSIGN(const Answer answer, session_.generate(print, limits_, &cancel_flag()));
    JANG_TRY(written);
    JANG_TRY(print_result("\n"));
    tell_of_wider_cache(session_, &told_of_cache_);
    messages_.push_back({"assistant", answer.text});
    if (answer.stopped_by == StoppedBy::context) print_message("(the context is full; /clear starts anew)\n");
    if (timings_) print_message(timings_text(session_.timings()) + "\n");
    return {};
  }

  Session session_;
  const Tokenizer tokenizer_;
  const ChatTemplate template_;
  const AnswerLimits limits_;
  bool timings_, told_of_cache_ = false;
  const bool interactive_;
  int code_ = kExitOk;
  std::string system_;
  std::vector<Message> messages_;
};

// Exit code of the conversation.
Result<int> converse(const Arguments& arguments, const Surroundings& surroundings) {
  JANG_ASSIGN(const GenerationOptions options, generation_options(arguments));
  JANG_ASSIGN(const ModelOptions how, model_options(arguments));
  JANG_ASSIGN(const Model model, open_named_model(arguments.value("MODEL"), surroundings, how));
  JANG_ASSIGN(Tokenizer tokenizer, model.tokenizer());
  Result<ChatTemplate> chat_template = model.chat_template();
  if (!chat_template.ok() && chat_template.status().code() == StatusCode::not_found)
    return Status(StatusCode::not_found, "the model has no chat template: it was not made for conversations; `jang run` continues text");
  JANG_TRY(chat_template.status());
  JANG_ASSIGN(Session session, Session::create(model, options.session));
  Conversation conversation(std::move(session), std::move(tokenizer), std::move(chat_template).value(), options.limits,
                            arguments.has("--timings"), isatty(STDIN_FILENO) == 1, arguments.value("--system"));
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
