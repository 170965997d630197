// SPDX-License-Identifier: Apache-2.0
// Converts a model with progress and streams what it says: convert_and_ask SOURCE OUTPUT "PROMPT"
#include <iostream>
#include <string_view>

#include <jang/convert.h>
#include <jang/session.h>

namespace {

// Tells of a conversion on stderr. Ticks may come from any thread, so they are left out here.
class Teller : public jang::SilentObserver {
 public:
  void phase(int n, int total, std::string_view name) override { std::cerr << '[' << n << '/' << total << "] " << name << '\n'; }
  void warn(std::string_view message) override { std::cerr << "warning: " << message << '\n'; }
};

jang::Status run(const char* source, const char* output, const char* prompt) {
  Teller teller;
  jang::ConvertOptions options;
  options.output = output;
  options.force = true;
  JANG_ASSIGN(const jang::ConvertReport made, jang::convert_model(source, options, {.observer = &teller}));
  std::cerr << made.output << ": " << made.plan.model.stored_bits << " bits per weight\n";

  JANG_ASSIGN(const jang::Model model, jang::Model::open(made.output));
  JANG_ASSIGN(jang::Session session, jang::Session::create(model, {.sampling = {.temperature = 0}}));
  JANG_ASSIGN(const auto tokens, model.prompt_tokens(prompt));
  JANG_TRY(session.set_prompt(tokens));
  const auto print = [](std::string_view piece) { return static_cast<bool>(std::cout << piece << std::flush); };
  JANG_ASSIGN(const jang::Answer answer, session.generate(print, {.max_tokens = 32}));
  std::cerr << "\nstopped by " << to_string(answer.stopped_by) << '\n';
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const jang::Status status = run(argv[1], argv[2], argv[3]);
  if (!status.ok()) std::cerr << status.message() << '\n';
  return status.ok() ? 0 : 1;
}
