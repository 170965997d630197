// SPDX-License-Identifier: Apache-2.0
// `jang run` from outside, on the bundled model: what is written where, what repeats, what ends a text, and how it fails.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "../support/session.h"

namespace jang::cli {
namespace {

using namespace jang::test;

const std::string kPrompt = "The captain looked at the sea";

class RunCommand : public ProgramTest {
 protected:
  // `jang run` on the bundled model.
  static Words words(const Words& more, const std::string& model = kBundledModel) {
    Words all = {"run", model};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  ProgramOutcome continue_prompt(const Words& more) const { return run(words(more)); }
  json::Value continued(const Words& more) const {
    Words all = more;
    all.push_back("--json");
    return document_of(words(all));
  }
  // Ids of the prompt, as the tokenizer has them.
  std::string prompt_ids() const {
    const json::Value d = document_of({"tokenize", kBundledModel, "-p", kPrompt, "--json"});
    std::string ids;
    for (const json::Value& id : d["ids"]) ids += (ids.empty() ? "" : ",") + id.dump();
    return ids;
  }
};

TEST_F(RunCommand, text_is_all_that_reaches_stdout) {
  const Words asked = {"-p", kPrompt, "-n", "12", "--seed", "3"};
  const ProgramOutcome text = continue_prompt(asked);
  EXPECT_EQ(text.code, 0);
  EXPECT_EQ(text.err, "");
  const json::Value d = continued(asked);
  EXPECT_GT(d["text"].get<std::string>().size(), 12u);
  EXPECT_EQ(text.out, d["text"].get<std::string>() + "\n");
  EXPECT_TRUE(left().empty());
}

TEST_F(RunCommand, document_has_ids_and_timings) {
  const json::Value d = continued({"-p", kPrompt, "-n", "5", "--temp", "0"});
  EXPECT_EQ(d["ids"].size(), 5u);
  EXPECT_EQ(d["stopped_by"], "length");
  EXPECT_EQ(d["prompt_tokens"], document_of({"tokenize", kBundledModel, "-p", kPrompt, "--json"})["count"]);
  EXPECT_EQ(d["timings"]["prompt_n"], d["prompt_tokens"]);
  EXPECT_EQ(d["timings"]["predicted_n"], 5);
  EXPECT_EQ(d["timings"]["cache_n"], 0);
  EXPECT_GT(d["timings"]["predicted_ms"].get<double>(), 0);
}

TEST_F(RunCommand, greedy_tokens_are_the_largest_logits) {
  const json::Value logits = document_of({"logits", kBundledModel, "--ids", prompt_ids(), "-n", "12", "--json"});
  ASSERT_EQ(logits["continuation"].size(), 12u);
  const json::Value d = continued({"-p", kPrompt, "-n", "12", "--temp", "0"});
  EXPECT_EQ(d["ids"], logits["continuation"]);
  EXPECT_EQ(d["ids"][0], logits["best"].back()[0]["id"]);
}

TEST_F(RunCommand, seeded_text_repeats_and_seeds_differ) {
  const auto text = [&](const char* seed) { return continue_prompt({"-p", kPrompt, "-n", "24", "--temp", "1.5", "--seed", seed}).out; };
  const std::string first = text("1");
  EXPECT_EQ(first, text("1"));
  EXPECT_NE(first, text("2"));
  EXPECT_NE(text("-1"), text("-1"));
}

TEST_F(RunCommand, threads_and_batches_do_not_change_the_text) {
  const ProgramOutcome one = continue_prompt({"-p", kPrompt, "-n", "16", "--temp", "0", "-t", "1", "-b", "1"});
  EXPECT_EQ(one.code, 0) << one.err;
  EXPECT_EQ(one.out, continue_prompt({"-p", kPrompt, "-n", "16", "--temp", "0", "-t", "3", "-b", "4"}).out);
}

TEST_F(RunCommand, every_kind_of_cache_runs) {
  // Greedy text of a model this small may turn at a rounding; that it goes on with as many tokens is what is asked here.
  for (const char* type : {"f32", "f16", "bf16", "q8"})
    EXPECT_EQ(continued({"-p", kPrompt, "-n", "4", "--temp", "0", "--kv", type})["ids"].size(), 4u) << type;
  EXPECT_EQ(continued({"-p", kPrompt, "-n", "4", "--temp", "0", "--exact"})["ids"].size(), 4u);
}

TEST_F(RunCommand, a_bundle_runs_like_a_checkpoint) {
  ASSERT_EQ(run({"convert", kBundledModel, "-p", "uniform_8", "-o", "out", "-q"}).code, 0);
  const json::Value d = document_of(words({"-p", kPrompt, "-n", "4", "--temp", "0", "--json"}, "out"));
  EXPECT_EQ(d["ids"], continued({"-p", kPrompt, "-n", "4", "--temp", "0"})["ids"]);  // 8 bits say the same for a while
}

TEST_F(RunCommand, penalties_change_what_is_said) {
  const Words greedy = {"-p", "the the the the the the", "-n", "8", "--temp", "0"};
  Words penalised = greedy;
  penalised.insert(penalised.end(), {"--repeat-penalty", "3", "--presence-penalty", "2", "--frequency-penalty", "2"});
  const json::Value ids = continued(penalised)["ids"];
  EXPECT_NE(ids, continued(greedy)["ids"]);
  for (std::size_t i = 0; i < ids.size(); ++i)  // so strong that nothing is said twice
    EXPECT_EQ(std::count(ids.begin(), ids.end(), ids[i]), 1) << ids.dump();
}

TEST_F(RunCommand, prompt_comes_from_a_file_as_well) {
  write("prompt.txt", kPrompt);
  const Words how = {"-n", "6", "--temp", "0"};
  Words from_file = how, from_text = how;
  from_file.insert(from_file.end(), {"-f", "prompt.txt"});
  from_text.insert(from_text.end(), {"-p", kPrompt});
  const ProgramOutcome file = continue_prompt(from_file);
  EXPECT_EQ(file.code, 0) << file.err;
  EXPECT_EQ(file.out, continue_prompt(from_text).out);
  EXPECT_EQ(continue_prompt({"-f", "nowhere.txt"}).code, 3);
  EXPECT_EQ(continue_prompt({"-f", "prompt.txt", "-p", kPrompt}).code, 2);
  EXPECT_EQ(continue_prompt({}).code, 2);
}

TEST_F(RunCommand, an_empty_prompt_begins_a_text) {
  write("empty.txt", "");
  const json::Value d = continued({"-f", "empty.txt", "-n", "4", "--temp", "0"});
  EXPECT_EQ(d["prompt_tokens"], 1);  // the token that separates texts
  EXPECT_EQ(d["ids"], document_of({"logits", kBundledModel, "--ids", "0", "-n", "4", "--json"})["continuation"]);
  const ProgramOutcome unset = continue_prompt({"-p", ""});  // rather a variable without a value than a wish
  EXPECT_EQ(unset.code, 2);
  EXPECT_TRUE(contains(unset.err, "--prompt is empty")) << unset.err;
}

TEST_F(RunCommand, nothing_asked_for_is_nothing_said) {
  const ProgramOutcome none = continue_prompt({"-p", kPrompt, "-n", "0"});
  EXPECT_EQ(none.code, 0);
  EXPECT_EQ(none.out, "\n");
}

TEST_F(RunCommand, the_context_is_filled_and_not_exceeded) {
  const json::Value d = continued({"-p", kPrompt, "-c", "14", "--ignore-eos", "--temp", "0"});
  EXPECT_EQ(d["stopped_by"], "context");
  EXPECT_EQ(d["prompt_tokens"].get<int>() + static_cast<int>(d["ids"].size()), 14);
}

TEST_F(RunCommand, a_prompt_longer_than_the_context_is_refused) {
  const ProgramOutcome short_context = continue_prompt({"-p", kPrompt, "-c", "3"});
  EXPECT_EQ(short_context.code, 2);
  EXPECT_EQ(short_context.out, "");
  EXPECT_TRUE(contains(short_context.err, "--ctx-size")) << short_context.err;
  std::string book;
  for (int i = 0; i < 120; ++i) book += "The captain looked at the sea. ";
  write("book.txt", book);
  const ProgramOutcome own_context = continue_prompt({"-f", "book.txt"});  // the model was trained for 512
  EXPECT_EQ(own_context.code, 2);
  EXPECT_TRUE(contains(own_context.err, "the context 512")) << own_context.err;
}

TEST_F(RunCommand, the_text_ends_where_the_model_ends_it) {
  const json::Value ids = continued({"-p", kPrompt, "-n", "8", "--temp", "0"})["ids"];
  ASSERT_EQ(ids.size(), 8u);
  // A model for which the fourth of these tokens is an end.
  std::size_t at = 0;
  while (ids[at] != ids[3]) ++at;
  link_model("model");
  replace("model/generation_config.json", R"({"eos_token_id": [0, )" + ids[3].dump() + "]}");
  const json::Value ended = document_of(words({"-p", kPrompt, "-n", "8", "--temp", "0", "--json"}, "model"));
  EXPECT_EQ(ended["stopped_by"], "end");
  ASSERT_EQ(ended["ids"].size(), at + 1);
  EXPECT_EQ(ended["ids"].back(), ids[3]);
  const json::Value went_on = document_of(words({"-p", kPrompt, "-n", "8", "--temp", "0", "--json", "--ignore-eos"}, "model"));
  EXPECT_EQ(went_on["ids"], ids);
  // The token that ends the text is not part of it.
  EXPECT_TRUE(went_on["text"].get<std::string>().starts_with(ended["text"].get<std::string>()));
  EXPECT_LT(ended["text"].get<std::string>().size(), went_on["text"].get<std::string>().size());
}

TEST_F(RunCommand, timings_go_to_stderr) {
  const ProgramOutcome timed = continue_prompt({"-p", kPrompt, "-n", "3", "--temp", "0", "--timings"});
  EXPECT_EQ(timed.out, continue_prompt({"-p", kPrompt, "-n", "3", "--temp", "0"}).out);
  EXPECT_TRUE(contains(timed.err, "answer 3 tokens")) << timed.err;
}

TEST_F(RunCommand, usage_errors_are_2_and_missing_models_3) {
  const ProgramOutcome spelling = continue_prompt({"-p", kPrompt, "--tmp", "0"});
  EXPECT_EQ(spelling.code, 2);
  EXPECT_TRUE(contains(spelling.err, "did you mean '--temp'")) << spelling.err;
  const std::vector<std::pair<std::string, std::string>> impossible = {{"--temp", "warm"},
                                                                       {"--temp", "nan"},
                                                                       {"--top-p", "2"},
                                                                       {"--min-p", "-1"},
                                                                       {"--top-k", "-1"},
                                                                       {"--seed", "-2"},
                                                                       {"-n", "-2"},
                                                                       {"-n", "1.5"},
                                                                       {"-b", "0"},
                                                                       {"-t", "0"},
                                                                       {"-c", "-1"},
                                                                       {"--kv", "f8"},
                                                                       {"--repeat-penalty", "0"},
                                                                       {"--repeat-last-n", "-2"}};
  for (const auto& [option, value] : impossible) {
    const ProgramOutcome refused = continue_prompt({"-p", kPrompt, option, value});
    EXPECT_EQ(refused.code, 2) << option << " " << value << "\n" << refused.err;
    EXPECT_EQ(refused.out, "") << option << " " << value;
  }
  for (const char* model : {"no/such-model", "./no-such-directory"}) {
    const ProgramOutcome missing = run(words({"-p", kPrompt}, model));
    EXPECT_EQ(missing.code, 3) << missing.err;
    EXPECT_TRUE(contains(missing.err, std::string("error: cannot run ") + model)) << missing.err;
  }
  write("model", "a file");
  EXPECT_EQ(run(words({"-p", kPrompt}, "./model")).code, 3);
}

// More text than any pipe or terminal holds: whoever does not read it stops it.
const Words kEndless = {"-p", kPrompt, "-n", "-1", "-c", "80000", "--ignore-eos", "--seed", "1"};

TEST_F(RunCommand, interrupted_it_keeps_what_was_said) {
  for (const int number : {SIGINT, SIGTERM}) {
    Dialogue session(Dialogue::Streams::pipes, Launch(kProgram, words(kEndless), dir_, {}), stderr_path());
    ASSERT_TRUE(session.wait_for(" ")) << read_file(stderr_path());
    session.signal(number);
    session.read_rest();
    EXPECT_EQ(session.wait(), 128 + number);
    EXPECT_TRUE(session.seen().ends_with("\n"));
    EXPECT_LT(session.seen().size(), 100'000u);  // 80,000 tokens are more
    EXPECT_EQ(read_file(stderr_path()), "");
  }
}

TEST_F(RunCommand, a_second_signal_ends_it_at_once) {
  Dialogue session(Dialogue::Streams::pipes, Launch(kProgram, words(kEndless), dir_, {}), stderr_path());
  ASSERT_TRUE(session.wait_for(" "));
  session.signal(SIGINT);
  session.signal(SIGTERM);          // another one: two of a kind may arrive as one
  const int code = session.wait();  // though nobody reads
  EXPECT_TRUE(code == 130 || code == 143) << code;
}

TEST_F(RunCommand, a_reader_that_leaves_ends_it_quietly) {
  Dialogue session(Dialogue::Streams::pipes, Launch(kProgram, words(kEndless), dir_, {}), stderr_path());
  ASSERT_TRUE(session.wait_for(" "));  // as `head -c 10` does
  session.close_output();
  EXPECT_EQ(session.wait(), 128 + SIGPIPE);
  EXPECT_EQ(read_file(stderr_path()), "");
}

TEST_F(RunCommand, a_full_disk_under_stdout_is_7) {
  if (access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full on this machine";
  Start how;
  how.out_path = "/dev/full";
  const ProgramOutcome full = run(words({"-p", kPrompt, "-n", "4"}), how);
  EXPECT_EQ(full.code, 7);
  EXPECT_TRUE(contains(full.err, "free space")) << full.err;
}

TEST_F(RunCommand, failures_are_red_on_a_terminal_unless_no_color) {
  const auto shown = [&](const Environment& environment) {
    Dialogue session(Dialogue::Streams::terminal, Launch(kProgram, words({"-p", kPrompt}, "no/such-model"), dir_, environment), "");
    session.read_rest();
    EXPECT_EQ(session.wait(), 3);
    EXPECT_TRUE(contains(session.seen(), "cannot run no/such-model")) << session.seen();
    return contains(session.seen(), "\x1b[31merror: ");
  };
  EXPECT_TRUE(shown({{"TERM", "xterm"}}));
  EXPECT_FALSE(shown({{"TERM", "xterm"}, {"NO_COLOR", "1"}}));
  EXPECT_TRUE(shown({{"TERM", "xterm"}, {"NO_COLOR", ""}}));
  EXPECT_FALSE(shown({{"TERM", "dumb"}}));
}

}  // namespace
}  // namespace jang::cli
