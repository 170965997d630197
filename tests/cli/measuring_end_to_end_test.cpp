// SPDX-License-Identifier: Apache-2.0
// `jang eval`, `jang bench` and `jang logits` from outside: documents, progress, files written, what is refused.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "../support/program.h"

namespace jang::cli {
namespace {

using namespace jang::test;

Words with(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

class EvalCommand : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    std::string text;
    for (int i = 0; i < 40; ++i) text += "The captain of ship " + std::to_string(i) + " looked at the sea and said nothing. ";
    write("text.txt", text);
    write("tasks.jsonl", R"({"id": "a", "context": "The captain looked at the", "choices": ["sea", "xylophone"], "answer": 0})"
                         "\n"
                         R"({"id": "b", "context": "She opened the", "choices": ["purple", "door"], "answer": "door"})"
                         "\n");
  }
  static Words eval(const std::string& what, const Words& more) { return with({"eval", what, kBundledModel}, more); }
  static Words few(const Words& more) { return with({"-f", "text.txt", "--ctx", "32", "--tokens", "160"}, more); }
};

TEST_F(EvalCommand, perplexity_is_that_of_the_logits) {
  const ProgramOutcome done = run(eval("ppl", few({"--json", "--items", "items.jsonl", "--progress", "off"})));
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.err, "");
  const json::Value d = document(done);
  EXPECT_EQ(d["schema_version"], 1);
  EXPECT_EQ(d["what"], "ppl");
  EXPECT_EQ(d["windows"], 5);
  EXPECT_EQ(d["arithmetic"], "exact");
  // The same from the logits that `jang logits` writes for the first window.
  const json::Value ids = document_of({"tokenize", kBundledModel, "-f", "text.txt", "--json"})["ids"];
  std::string window;
  for (std::size_t i = 0; i < 32; ++i) window += ids[i].dump() + ",";
  const Words asked = {"logits", kBundledModel, "--ids", window, "--exact", "-o", "logits.safetensors", "--json"};
  EXPECT_EQ(document_of(asked)["output"], "logits.safetensors");
  const std::string bytes = read_file(dir_ / "logits.safetensors");
  std::uint64_t n_header = 0;
  std::memcpy(&n_header, bytes.data(), 8);
  const std::vector<json::Value> items = documents(read_file(dir_ / "items.jsonl"));
  ASSERT_EQ(items.size(), 5u);
  const json::Value& nll = items[0]["nll"];
  ASSERT_EQ(nll.size(), 31u) << items[0].dump();
  std::vector<float> logits(4096);
  for (std::size_t i = 0; i < nll.size(); ++i) {
    std::memcpy(logits.data(), bytes.data() + 8 + n_header + i * logits.size() * sizeof(float), logits.size() * sizeof(float));
    double sum = 0;
    for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
    EXPECT_NEAR(nll[i].get<double>(), std::log(sum) - static_cast<double>(logits[ids[i + 1].get<std::size_t>()]), 1e-4) << i;
  }
  const ProgramOutcome text = run(eval("ppl", few({"--progress", "off"})));
  EXPECT_TRUE(text.out.starts_with("perplexity ")) << text.out;
}

TEST_F(EvalCommand, divergence_from_itself_is_none_and_from_a_bundle_some) {
  const json::Value none = document_of(eval("kld", few({"--ref", kBundledModel, "--json", "-q"})));
  EXPECT_EQ(none["kld_mean"], 0.0) << none.dump();
  ASSERT_EQ(run({"convert", kBundledModel, "-p", "2S", "-o", "out", "-q"}).code, 0);
  const Words bundle = with({"eval", "kld", "out", "--ref", kBundledModel, "--progress", "off"}, few({}));
  EXPECT_EQ(none["weight_gain"]["attn_q"], 1.0) << none.dump();
  const json::Value some = document_of(with(bundle, {"--json"}));
  EXPECT_GT(some["kld_mean"].get<double>(), 0.05);
  EXPECT_GT(some["kld_percentiles"]["99.9"].get<double>(), some["kld_percentiles"]["99"].get<double>());
  EXPECT_LT(some["weight_gain"]["expert_up"].get<double>(), 0.99) << "2 bits shrink";
  EXPECT_GT(some["weight_gain"]["expert_up"].get<double>(), 0.8);
  const ProgramOutcome text = run(bundle);
  EXPECT_TRUE(text.out.starts_with("KLD ")) << text.out;
  EXPECT_TRUE(contains(text.out, "same top")) << text.out;
  EXPECT_TRUE(contains(text.out, "gain        ")) << text.out;
}

TEST_F(EvalCommand, texts_of_a_model_are_compared_with_those_of_its_source) {
  const Words some = {"--ref", kBundledModel, "--samples", "6", "--seq-len", "24", "--progress", "off"};
  const json::Value same = document_of(eval("generate", with(some, {"--json"})));
  EXPECT_EQ(same["what"], "generate");
  EXPECT_EQ(same["source_texts"], same["model_texts"]);
  EXPECT_EQ(same["model_texts"]["texts"], 6);
  EXPECT_GT(same["model_texts"]["mean_length"], 0);
  EXPECT_EQ(same["repeating_p"], 1);
  EXPECT_GT(same["greedy_prompts"], 0);
  EXPECT_EQ(same["greedy_identical"], same["greedy_prompts"]);
  EXPECT_EQ(same["greedy_common"], 64);
  ASSERT_EQ(run({"convert", kBundledModel, "-p", "uniform_2", "--method", "rtn", "-o", "two", "-q"}).code, 0);
  const json::Value two = document_of(with({"eval", "generate", "two", "--json"}, some));
  EXPECT_EQ(two["source_texts"], same["source_texts"]);
  EXPECT_EQ(same["length_change"], 0);
  EXPECT_EQ(same["distinct_4grams_change_stderr"], 0);
  json::Value with_three = document_of(with({"eval", "generate", "two", "--json", "--threads", "3"}, some));
  with_three["seconds"] = two["seconds"];
  EXPECT_EQ(with_three, two) << "threads change nothing";
  const json::Value seeded = document_of(with({"eval", "generate", "two", "--json", "--seed", "2"}, some));
  EXPECT_NE(seeded["greedy_common"], two["greedy_common"]) << "other beginnings";
  EXPECT_LT(two["greedy_common"], 64);
  const ProgramOutcome text = run(eval("generate", some));
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_NE(text.out.find("6 texts of at most 24 tokens"), std::string::npos) << text.out;
  EXPECT_EQ(run(eval("generate", {})).code, 2);                                      // no source
  EXPECT_EQ(run(eval("generate", with(some, {"--tokens", "9"}))).code, 2);           // of ppl and kld
  EXPECT_EQ(run(eval("ppl", few({"--samples", "9"}))).code, 2);                      // of generate
  EXPECT_EQ(run(eval("generate", with(some, {"--items", "items.jsonl"}))).code, 2);  // there are none
}

TEST_F(EvalCommand, choices_are_made_and_compared) {
  const Words choose = eval("choice", {"-f", "tasks.jsonl", "-q"});
  const json::Value d = document_of(with(choose, {"--json", "--items", "items.jsonl"}));
  EXPECT_EQ(d["what"], "choice");
  EXPECT_EQ(documents(read_file(dir_ / "items.jsonl")).size(), 2u);
  const json::Value again = document_of(with(choose, {"--json", "--against", "items.jsonl"}));
  EXPECT_EQ(again["against"]["only_first"], 0);
  EXPECT_EQ(again["against"]["only_second"], 0);
  const ProgramOutcome text = run(eval("choice", {"-f", "tasks.jsonl", "--progress", "off", "--against", "items.jsonl"}));
  EXPECT_TRUE(text.out.starts_with("accuracy: 100.00 %")) << text.out;
  EXPECT_TRUE(contains(text.out, "exact McNemar p = 1")) << text.out;
}

TEST_F(EvalCommand, mmlu_is_read_from_its_files) {
  fs::create_directories(dir_ / "mmlu" / "test");
  fs::create_directories(dir_ / "mmlu" / "dev");
  write("mmlu/test/seafaring_test.csv", "What floats?,a ship,a stone,an anvil,lead,A\nWhat sinks?,cork,a stone,wood,ice,B\n");
  write("mmlu/dev/seafaring_dev.csv", "What sails?,a ship,a stone,an anvil,lead,A\n");
  const Words ask = eval("mmlu", {"--data", "mmlu", "--shots", "1"});
  const json::Value d = document_of(with(ask, {"--json", "-q"}));
  EXPECT_EQ(d["shots"], 1);
  EXPECT_EQ(d["mean_shots"], 1.0);
  const ProgramOutcome text = run(with(ask, {"--progress", "off"}));
  EXPECT_TRUE(contains(text.out, "seafaring")) << text.out;
  EXPECT_TRUE(contains(text.out, "of 2")) << text.out;
}

TEST_F(EvalCommand, progress_is_as_asked) {
  const ProgramOutcome events = run(eval("ppl", few({"--progress", "json"})));
  ASSERT_EQ(events.code, 0);
  const std::vector<json::Value> all = documents(events.err);
  ASSERT_GE(all.size(), 4u);
  EXPECT_EQ(all.front()["type"], "phase");
  EXPECT_EQ(all.front()["name"], "load");
  EXPECT_EQ(all.back()["type"], "done");
  EXPECT_EQ(all.back()["ok"], true);
  const json::Value& tick = all[all.size() - 2];
  EXPECT_EQ(tick["type"], "tick");
  EXPECT_EQ(tick["done"], tick["total"]);
  const ProgramOutcome lines = run(eval("ppl", few({})));
  EXPECT_TRUE(contains(lines.err, "[2/2] score")) << lines.err;
  EXPECT_FALSE(contains(lines.err, "\r"));
  const ProgramOutcome quiet = run(eval("ppl", few({"-q"})));
  EXPECT_EQ(quiet.code, 0);
  EXPECT_EQ(quiet.err + quiet.out, "");
  // A failure is an event too, and nothing else.
  const ProgramOutcome failed = run({"eval", "ppl", "no/such-model", "-f", "text.txt", "--progress", "json"});
  EXPECT_EQ(failed.code, 3);
  EXPECT_EQ(documents(failed.err).back()["ok"], false);
}

TEST_F(EvalCommand, interrupted_it_is_130_and_writes_no_items) {
  std::string book;
  for (int i = 0; i < 400; ++i) book += read_file(dir_ / "text.txt");
  write("book.txt", book);
  const ProgramOutcome stopped =
      run_and_signal(eval("ppl", {"-f", "book.txt", "--tokens", "100000", "-t", "1", "--items", "items.jsonl"}), "score", SIGINT);
  EXPECT_EQ(stopped.code, 130) << stopped.err;
  EXPECT_EQ(stopped.out, "");
  EXPECT_FALSE(fs::exists(dir_ / "items.jsonl"));
}

TEST_F(EvalCommand, options_without_meaning_are_refused) {
  EXPECT_EQ(run(eval("ppl", {})).code, 2);
  EXPECT_EQ(run(eval("kld", {"-f", "text.txt"})).code, 2);
  EXPECT_EQ(run(eval("mmlu", {})).code, 2);
  EXPECT_EQ(run(eval("taste", {})).code, 2);
  const ProgramOutcome shots = run(eval("ppl", few({"--shots", "3"})));
  EXPECT_EQ(shots.code, 2);
  EXPECT_TRUE(contains(shots.err, "belongs to: mmlu")) << shots.err;
  EXPECT_EQ(run(eval("choice", {"-f", "text.txt"})).code, 3);  // no JSON lines
  EXPECT_EQ(run(eval("ppl", {"-f", "nowhere.txt"})).code, 3);
  EXPECT_EQ(run(eval("ppl", few({"--backend", "ref", "--stride", "8"}))).code, 2);  // the protocol has no strides
  EXPECT_EQ(run(eval("ppl", {"-f", "tasks.jsonl", "--ctx", "4096"})).code, 2);      // not one window
}

using LogitsCommand = ProgramTest;

TEST_F(LogitsCommand, ids_come_from_a_file_as_well) {
  write("ids.txt", "[42, 510,\n81 1015]");
  const json::Value d = document_of({"logits", kBundledModel, "--ids-file", "ids.txt", "-n", "3", "--json"});
  EXPECT_EQ(d["ids"], (json::Value{42, 510, 81, 1015}));
  EXPECT_EQ(d["best"].size(), 4u);
  EXPECT_EQ(d["continuation"].size(), 3u);
  EXPECT_EQ(d["vocab"], 4096);
  const ProgramOutcome text = run({"logits", kBundledModel, "--ids", "42,510,81,1015", "-n", "3"});
  EXPECT_EQ(text.code, 0) << text.err;
  std::string continuation = d["continuation"].dump();
  EXPECT_TRUE(contains(text.out, "continuation: " + continuation.substr(1, continuation.size() - 2))) << text.out;
}

TEST_F(LogitsCommand, failures_leave_no_file) {
  const auto refused = [&](const Words& more, int code) {
    const ProgramOutcome outcome = run(with({"logits", kBundledModel, "-o", "logits.safetensors"}, more));
    EXPECT_EQ(outcome.code, code) << outcome.err;
    EXPECT_TRUE(left().empty()) << outcome.err;
  };
  refused({}, 2);
  refused({"--ids", "1", "--ids-file", "x"}, 2);
  refused({"--ids", "1,two"}, 2);
  refused({"--ids", ","}, 2);
  refused({"--ids", "1", "-n", "-1"}, 2);
  refused({"--ids", "1,4096"}, 2);  // the vocabulary has 4096
  refused({"--ids-file", "nowhere"}, 3);
  EXPECT_EQ(run({"logits", "no/such-model", "--ids", "1"}).code, 3);
}

using BenchCommand = ProgramTest;

TEST_F(BenchCommand, model_is_measured_in_every_format) {
  const Words quick = {"bench", kBundledModel, "-r", "2", "-t", "1"};
  const json::Value d = document_of(with(quick, {"-p", "8", "-n", "3", "--json"}));
  ASSERT_EQ(d["rows"].size(), 2u);
  EXPECT_EQ(d["rows"][0]["test"], "pp8");
  EXPECT_EQ(d["rows"][1]["test"], "tg3");
  for (const json::Value& row : d["rows"]) {
    EXPECT_EQ(row["samples_ts"].size(), 2u);
    EXPECT_GT(row["avg_ts"].get<double>(), 0);
  }
  EXPECT_EQ(d["threads"], 1);
  EXPECT_EQ(d["stored_bits"], 16.0);
  const ProgramOutcome csv = run(with(quick, {"-p", "0", "-n", "3", "-o", "csv"}));
  EXPECT_EQ(csv.code, 0) << csv.err;
  EXPECT_EQ(std::ranges::count(csv.out, '\n'), 2) << csv.out;  // a head and one test
  EXPECT_TRUE(contains(csv.out, ",tg3,")) << csv.out;
  const ProgramOutcome table = run(with(quick, {"-p", "8", "-n", "0"}));
  EXPECT_TRUE(contains(table.out, "| pp8 |")) << table.out;
  EXPECT_FALSE(contains(table.out, "| tg")) << table.out;
}

TEST_F(BenchCommand, kernels_are_measured_at_every_width) {
  const json::Value d = document_of({"bench", "kernels", "--quick", "--rows", "64x64", "-t", "1", "--json"});
  EXPECT_GT(d["read_gbps"].get<double>(), 0);
  std::vector<int> widths;
  for (const json::Value& row : d["rows"]) {
    EXPECT_GT(row["gbps"].get<double>(), 0);
    if (row["rows"] == 1) widths.push_back(row["bits"].get<int>());
  }
  EXPECT_EQ(widths, (std::vector<int>{2, 3, 4, 5, 6, 8}));
}

TEST_F(BenchCommand, impossible_measurements_are_refused) {
  EXPECT_EQ(run({"bench", "no/such-model"}).code, 3);
  EXPECT_EQ(run({"bench", kBundledModel, "-r", "0"}).code, 2);
  EXPECT_EQ(run({"bench", kBundledModel, "-o", "xml"}).code, 2);
  for (const char* shape : {"64", "64x", "x64", "64x63", "0x64", "64x64x64", "1048576x1048576"})
    EXPECT_EQ(run({"bench", "kernels", "--rows", shape}).code, 2) << shape;
}

}  // namespace
}  // namespace jang::cli
