// SPDX-License-Identifier: Apache-2.0
// `jang calibrate`, and what convert and plan make of it, from outside: the file, its repeatability, interruption, what is refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "../support/program.h"
#include "../support/small_mixture.h"

namespace jang::cli {
namespace {

using namespace jang::test;

// Little text, so that a calibration takes a moment; no limit on time, so that it repeats.
const Words kLittle = {"--samples", "2", "--seq-len", "24", "--budget", "0"};

class CalibrateCommand : public ProgramTest {
 protected:
  static Words with(Words words, const Words& more) {
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  static Words calibrate(const std::string& output, const Words& more = {}) {
    return with(with({"calibrate", "model", "-o", output}, kLittle), more);
  }
  ProgramOutcome convert(const std::string& output, const Words& more) const {
    return run(with({"convert", "model", "-o", output, "-q"}, more));
  }
  void SetUp() override {
    ProgramTest::SetUp();
    write_small_mixture(dir_ / "model");
  }
  std::string weights(const std::string& bundle) const { return read_file(dir_ / bundle / "model.safetensors"); }
  std::string file(const std::string& name) const { return read_file(dir_ / name); }
};

TEST_F(CalibrateCommand, statistics_weight_the_conversion) {
  const ProgramOutcome done = run(calibrate("stats.safetensors", {"--no-sensitivity", "--json", "--progress", "off"}));
  ASSERT_EQ(done.code, 0) << done.err;
  const json::Value d = document(done);
  EXPECT_EQ(d["schema_version"], 1);
  EXPECT_EQ(d["output"], "stats.safetensors");
  EXPECT_EQ(d["text"], "self");
  EXPECT_EQ(d["tokens"], 48);
  EXPECT_GT(d["modules"].get<int>(), 5);
  EXPECT_TRUE(d["sensitivities"].empty());
  EXPECT_EQ(left(), (std::vector<std::string>{"model", "stats.safetensors"}));

  ASSERT_EQ(convert("plain", {"-p", "2S"}).code, 0);
  const ProgramOutcome weighted = convert("weighted", {"-p", "2S", "--stats", "stats.safetensors"});
  ASSERT_EQ(weighted.code, 0) << weighted.err;
  EXPECT_EQ(weights("plain").size(), weights("weighted").size());
  EXPECT_NE(weights("plain"), weights("weighted"));
  EXPECT_TRUE(contains(file("weighted/jang_config.json"), d["digest"].get<std::string>()));
  EXPECT_FALSE(contains(file("plain/jang_config.json"), d["digest"].get<std::string>()));
  EXPECT_EQ(run({"validate", "weighted", "--deep"}).code, 0);

  const ProgramOutcome self = convert("self", with({"-p", "2S", "--self"}, kLittle));
  ASSERT_EQ(self.code, 0) << self.err;
  EXPECT_EQ(weights("self"), weights("weighted"));
}

TEST_F(CalibrateCommand, error_feedback_takes_its_inputs_from_the_text_of_the_statistics) {
  ASSERT_EQ(run(calibrate("stats", {"--no-sensitivity", "-q"})).code, 0);
  const Words gptq = {"-p", "3M", "--method", "gptq", "--stats", "stats"};
  for (const auto& [name, threads] : {std::pair{"one", "1"}, std::pair{"two", "2"}}) {
    const ProgramOutcome done = convert(name, with(gptq, {"-t", threads}));
    ASSERT_EQ(done.code, 0) << done.err;
  }
  EXPECT_EQ(weights("one"), weights("two"));
  EXPECT_EQ(parse(file("one/jang_config.json"))["quantization"]["quantization_method"], "gptq");
  EXPECT_EQ(run({"validate", "one", "--deep"}).code, 0);
  ASSERT_EQ(convert("fitted", {"-p", "3M", "--stats", "stats"}).code, 0);
  EXPECT_EQ(weights("one").size(), weights("fitted").size());
  EXPECT_NE(weights("one"), weights("fitted"));

  const ProgramOutcome plan = run(with({"plan", "model", "--json"}, gptq));
  ASSERT_EQ(plan.code, 0) << plan.err;
  write("plan.json", plan.out);
  ASSERT_EQ(convert("by_plan", {"--plan", "plan.json", "--stats", "stats"}).code, 0);
  EXPECT_EQ(weights("by_plan"), weights("one"));
}

TEST_F(CalibrateCommand, channels_are_rescaled_by_the_statistics_and_stand_in_plan_and_bundle) {
  ASSERT_EQ(run(calibrate("stats", {"--no-sensitivity", "-q"})).code, 0);
  for (const std::string method : {"awq", "awq+rtn", "awq+gptq"}) {
    const Words words = {"-p", "uniform_3", "--method", method, "--stats", "stats"};
    for (const auto& [name, threads] : {std::pair{"one", "1"}, std::pair{"two", "2"}}) {
      const ProgramOutcome done = convert(name, with(words, {"-t", threads, "--force"}));
      ASSERT_EQ(done.code, 0) << done.err;
    }
    EXPECT_EQ(weights("one"), weights("two"));
    EXPECT_EQ(run({"validate", "one", "--deep"}).code, 0);
    const json::Value quantization = parse(file("one/jang_config.json"))["quantization"];
    EXPECT_EQ(quantization["quantization_method"], method);
    EXPECT_EQ(quantization["calibration_method"], "self");
    int kept = 0;
    for (const json::Value& row : quantization["activation_aware_scaling"]) {
      if (row["exponent"] == 0) continue;
      ++kept;
      EXPECT_GE(row["gain"].get<double>(), 0.005);
    }
    if (method != "awq+gptq") {  // so little text tells error feedback of no gain
      EXPECT_GT(kept, 0);
    }
    EXPECT_EQ(quantization["activation_aware_scaling"].size(), 5u);  // of one layer and the head

    const ProgramOutcome plan = run(with({"plan", "model", "--json"}, words));
    ASSERT_EQ(plan.code, 0) << plan.err;
    write("plan.json", plan.out);
    ASSERT_EQ(convert("by_plan", {"--plan", "plan.json", "--stats", "stats", "--force"}).code, 0);
    EXPECT_EQ(weights("by_plan"), weights("one"));
    EXPECT_EQ(parse(file("by_plan/jang_config.json"))["quantization"], quantization);
  }
}

TEST_F(CalibrateCommand, scales_without_statistics_or_of_unknown_groups_are_refused) {
  const ProgramOutcome without = convert("out", {"-p", "3M", "--method", "awq"});
  EXPECT_EQ(without.code, 2) << without.err;
  EXPECT_TRUE(contains(without.err, "--self")) << without.err;
  EXPECT_EQ(run({"plan", "model", "--method", "awq"}).code, 2);
  EXPECT_EQ(left(), (std::vector<std::string>{"model"}));

  ASSERT_EQ(run(calibrate("stats", {"--no-sensitivity", "-q"})).code, 0);
  const ProgramOutcome plan = run({"plan", "model", "--method", "awq", "--stats", "stats", "--json"});
  ASSERT_EQ(plan.code, 0) << plan.err;
  json::Value d = parse(plan.out);
  d["scaling"][0]["group"] = "model.layers.0.input_layernrom";
  write("plan.json", d.dump());
  const ProgramOutcome unknown = convert("out", {"--plan", "plan.json", "--stats", "stats"});
  EXPECT_NE(unknown.code, 0);
  EXPECT_TRUE(contains(unknown.err, "did you mean")) << unknown.err;
  EXPECT_EQ(left(), (std::vector<std::string>{"model", "plan.json", "stats"}));
}

// Whatever a command runs, its phases count from 1 to their number: this model is a mixture.
TEST_F(CalibrateCommand, phases_are_numbered_without_a_gap) {
  const Words save = {"convert", "model", "--force", "-o", "out"}, by_bits = {"-p", "auto", "--bpw", "4"};
  const std::vector<std::pair<Words, Words>> commands = {
      {{"plan", "model"}, {"detect", "allocate"}},
      {with(save, {"--dry-run"}), {"detect", "allocate"}},
      {with(save, by_bits), {"detect", "measure", "allocate", "quantize", "write"}},
      {with(with(save, kLittle), {"--self"}), {"detect", "text", "activations", "allocate", "quantize", "write"}},
      {with(with(save, kLittle), {"--self", "--method", "awq"}),
       {"detect", "text", "activations", "gradients", "anchors", "allocate", "scale", "trial", "quantize", "write"}},
      {with(with(with(save, by_bits), kLittle), {"--self"}),
       {"detect", "text", "activations", "gradients", "anchors", "measure", "allocate", "quantize", "write"}},
      {with(with(with({"plan", "model"}, by_bits), kLittle), {"--self", "--trials"}),
       {"detect", "text", "activations", "sensitivities", "measure", "allocate"}},
      {calibrate("stats"), {"text", "activations", "gradients", "anchors"}},
      {calibrate("inputs", {"--no-sensitivity"}), {"text", "activations"}},
  };
  for (const auto& [command, names] : commands) {
    const ProgramOutcome done = run(with(command, {"--progress", "json"}));
    ASSERT_EQ(done.code, 0) << done.err;
    Words begun;
    std::int64_t n_windows = 0;
    for (const json::Value& event : documents(done.err)) {
      if (event["type"] == "tick" && event["label"] == "activations") n_windows = event["total"];
      if (event["type"] != "phase") continue;
      begun.push_back(event["name"].get<std::string>());
      EXPECT_EQ(event["n"], begun.size()) << begun.back();
      EXPECT_EQ(event["total"], names.size()) << begun.back();
    }
    EXPECT_EQ(begun, names);
    if (std::ranges::find(names, "activations") != names.end()) {
      EXPECT_EQ(n_windows, 2);  // as asked for, whatever the method would take
    }
  }
}

TEST_F(CalibrateCommand, error_feedback_without_text_is_refused) {
  const ProgramOutcome done = convert("out", {"-p", "3M", "--method", "gptq"});
  EXPECT_EQ(done.code, 2) << done.err;
  EXPECT_TRUE(contains(done.err, "--self")) << done.err;
  EXPECT_EQ(left(), (std::vector<std::string>{"model"}));
}

// By gradients and by trials: a file and --self give the same bundle.
TEST_F(CalibrateCommand, sensitivities_decide_what_auto_spends) {
  write_small_mixture(dir_ / "half", true);  // trials have to store what convert will: fp16 here
  for (const Words& way : {Words{}, Words{"--trials"}}) {
    const std::string stats = way.empty() ? "gradients.safetensors" : "trials.safetensors";
    const ProgramOutcome done = run(with(with({"calibrate", "half", "-o", stats, "--json", "-q", "-t", "1"}, kLittle), way));
    ASSERT_EQ(done.code, 0) << done.err;
    EXPECT_EQ(done.err, "");
    const json::Value d = document(done);
    EXPECT_GT(d["positions"].get<int>(), 40);
    if (way.empty()) {
      EXPECT_GT(d["gradients"].get<int>(), 5);
      EXPECT_EQ(d["gradient_positions"], 2 * 23);
      EXPECT_EQ(d["sensitivities"].size(), 1u);  // the embedding: no other unit is before the only router's layer
    } else {
      EXPECT_EQ(d["gradients"], 0);
      ASSERT_GT(d["sensitivities"].size(), 5u);
      for (const json::Value& points : d["sensitivities"]) ASSERT_EQ(points.size(), 4u);  // a point for every width that is tried
    }
    for (const json::Value& points : d["sensitivities"])
      for (const json::Value& point : points) EXPECT_GT(point["kld"].get<double>(), 0);
    const Words bits = {"-p", "auto", "--bpw", "3.2", "-t", "2", "-q", "--force"};
    const ProgramOutcome by_file = run(with({"convert", "half", "-o", "by_file", "--stats", stats, "--json"}, bits));
    ASSERT_EQ(by_file.code, 0) << by_file.err;
    EXPECT_TRUE(contains(by_file.out, "measured sensitivities"));
    const ProgramOutcome by_itself = run(with(with(with({"convert", "half", "-o", "by_itself", "--self"}, bits), kLittle), way));
    ASSERT_EQ(by_itself.code, 0) << by_itself.err;
    for (const char* name : {"config.json", "jang_config.json", "model.safetensors"})
      EXPECT_TRUE(file("by_file/" + std::string(name)) == file("by_itself/" + std::string(name))) << name;
  }
}

// What convert --self calibrates, calibrate does too, with the same word of warning and the same result.
TEST_F(CalibrateCommand, a_packed_model_is_calibrated_as_convert_would) {
  ASSERT_EQ(convert("bundle", {"-p", "uniform_8", "-m", "rtn"}).code, 0);
  const ProgramOutcome done = run(with({"calibrate", "bundle", "-o", "stats", "--no-sensitivity"}, kLittle));
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_TRUE(contains(done.err, "the source is packed already (mlx)")) << done.err;
  ASSERT_EQ(run({"convert", "bundle", "-o", "by_file", "-p", "2S", "--stats", "stats", "-q"}).code, 0);
  ASSERT_EQ(run(with({"convert", "bundle", "-o", "by_itself", "-p", "2S", "--self", "-q"}, kLittle)).code, 0);
  EXPECT_EQ(weights("by_file"), weights("by_itself"));
}

TEST_F(CalibrateCommand, threads_do_not_change_the_file) {
  ASSERT_EQ(run(calibrate("one", {"--no-sensitivity", "-q", "-t", "1"})).code, 0);
  ASSERT_EQ(run(calibrate("three", {"--no-sensitivity", "-q", "-t", "3"})).code, 0);
  EXPECT_TRUE(file("one") == file("three"));
  ASSERT_EQ(run(calibrate("seeded", {"--no-sensitivity", "-q", "--seed", "2"})).code, 0);
  EXPECT_FALSE(file("one") == file("seeded"));
}

TEST_F(CalibrateCommand, interrupted_it_goes_on_to_the_same_file) {
  const Words more = {"-t", "1", "--progress", "json", "--trials"};
  ASSERT_EQ(run(calibrate("whole", more)).code, 0);
  const ProgramOutcome stopped = run_and_signal(calibrate("stats", more), "\"name\":\"sensitivities\"", SIGINT);
  ASSERT_EQ(stopped.code, 130) << stopped.err;
  EXPECT_EQ(documents(stopped.err).back()["ok"], false);
  EXPECT_EQ(left(), (std::vector<std::string>{"model", "stats.partial", "whole"}));
  const ProgramOutcome resumed = run(calibrate("stats", more));
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_TRUE(contains(resumed.err, "taking up stats.partial")) << resumed.err;
  EXPECT_TRUE(file("stats") == file("whole"));
  EXPECT_EQ(left(), (std::vector<std::string>{"model", "stats", "whole"}));
}

TEST_F(CalibrateCommand, leftovers_of_other_settings_are_not_taken_up) {
  ASSERT_EQ(run(calibrate("other", {"--no-sensitivity", "--random", "-q"})).code, 0);
  fs::rename(dir_ / "other", dir_ / "stats.partial");
  const ProgramOutcome anew = run(calibrate("stats", {"--no-sensitivity"}));
  EXPECT_EQ(anew.code, 0) << anew.err;
  EXPECT_TRUE(contains(anew.err, "stats.partial is of another calibration")) << anew.err;
  EXPECT_TRUE(contains(anew.out, "self: 2 windows of 24 tokens")) << anew.out;
  EXPECT_EQ(left(), (std::vector<std::string>{"model", "stats"}));
}

TEST_F(CalibrateCommand, a_file_that_no_calibration_left_stays) {
  std::ofstream(dir_ / "stats.partial") << "mine";
  const ProgramOutcome refused = run(calibrate("stats", {"--no-sensitivity", "--random"}));
  EXPECT_EQ(refused.code, 2) << refused.err;
  EXPECT_TRUE(contains(refused.err, "stats.partial is in the way")) << refused.err;
  EXPECT_EQ(file("stats.partial"), "mine");
}

TEST_F(CalibrateCommand, a_tight_budget_tries_less) {
  const ProgramOutcome hurried =
      run({"calibrate", "model", "-o", "stats", "--samples", "2", "--seq-len", "24", "--budget", "0.01", "--trials", "--json"});
  ASSERT_EQ(hurried.code, 0) << hurried.err;
  EXPECT_TRUE(contains(hurried.err, "budget")) << hurried.err;
  const json::Value d = document(hurried);
  std::size_t points = 0;
  for (const json::Value& unit : d["sensitivities"]) points += unit.size();
  EXPECT_GT(points, 0u);
  EXPECT_LT(points, 2 * d["sensitivities"].size() + 1);  // of four widths
}

TEST_F(CalibrateCommand, text_is_what_was_asked_for) {
  std::string book;
  for (int i = 0; i < 40; ++i) book += "The captain went down to the sea again. ";
  fs::create_directory(dir_ / "books");
  write("books/b.txt", book.substr(book.size() / 2));
  write("books/a.txt", book.substr(0, book.size() / 2));
  write("books/notes.md", "not read");
  write("book.txt", book);
  const auto digest = [&](const std::string& output, const Words& text) {
    const ProgramOutcome done = run(calibrate(output, with({"--no-sensitivity", "--json", "-q"}, text)));
    EXPECT_EQ(done.code, 0) << done.err;
    return document(done)["digest"];
  };
  const json::Value by_file = digest("1", {"-f", "book.txt"});
  EXPECT_EQ(digest("2", {"-f", "books"}), by_file);
  EXPECT_NE(digest("3", {"--random"}), by_file);
  EXPECT_NE(digest("4", {"--self"}), by_file);
  EXPECT_EQ(digest("4", {"--force"}), digest("4", {"--self", "--force"}));  // what it does unasked
}

TEST_F(CalibrateCommand, statistics_are_merged) {
  const ProgramOutcome a = run(calibrate("a", {"--no-sensitivity", "--json", "-q"}));
  ASSERT_EQ(a.code, 0) << a.err;
  ASSERT_EQ(run(calibrate("b", {"--no-sensitivity", "-q", "--seed", "2"})).code, 0);
  const Words both = {"calibrate", "model", "--merge", "a", "--merge", "b", "-o", "both", "--json"};
  const json::Value d = document_of(both);
  EXPECT_EQ(d["modules"], document(a)["modules"]);
  EXPECT_FALSE(file("both") == file("a"));
  EXPECT_EQ(convert("out", {"-p", "2S", "--stats", "both"}).code, 0);
  write("no-statistics", "something else");
  EXPECT_EQ(run({"calibrate", "model", "--merge", "a", "--merge", "no-statistics", "-o", "c"}).code, 3);
}

TEST_F(CalibrateCommand, statistics_of_another_model_are_refused) {
  ASSERT_EQ(run(calibrate("stats", {"--no-sensitivity", "-q"})).code, 0);
  const ProgramOutcome refused = run({"convert", kBundledModel, "-p", "2S", "--stats", "stats", "-o", "out"});
  EXPECT_EQ(refused.code, 2) << refused.err;
  EXPECT_TRUE(contains(refused.err, "another model")) << refused.err;
  EXPECT_FALSE(fs::exists(dir_ / "out"));
}

TEST_F(CalibrateCommand, what_cannot_be_is_refused_before_work) {
  const auto refused = [&](const Words& words, int code, std::string_view why) {
    const ProgramOutcome outcome = run(words);
    EXPECT_EQ(outcome.code, code) << outcome.err;
    EXPECT_TRUE(contains(outcome.err, why)) << outcome.err;
    EXPECT_EQ(outcome.out, "");
  };
  refused(with({"calibrate", "model"}, kLittle), 2, "give the file to write");
  write("mine", "precious");
  refused(calibrate("mine"), 2, "exists already");
  refused(calibrate("stats", {"-f", "mine"}), 2, "");  // shorter than the windows asked for
  refused(calibrate("stats", {"-f", "mine", "--random"}), 2, "give one of them");
  refused(calibrate("stats", {"-f", "nowhere"}), 3, "nowhere");
  refused(calibrate("stats", {"--samples", "0"}), 2, "--samples");
  refused(calibrate("stats", {"--budget", "-1"}), 2, "--budget");
  refused(calibrate("stats", {"-t", "0"}), 2, "--threads");
  refused({"calibrate", "no/such-model", "-o", "stats"}, 3, "cannot calibrate no/such-model");
  refused({"convert", "model", "--self", "--stats", "mine"}, 2, "give one of them");
  refused({"convert", "model", "--stats", "mine"}, 3, "mine");
  ASSERT_EQ(convert("bundle", {"-p", "4K"}).code, 0);
  // Trials, which a mixture needs, want the weights as they were.
  for (const Words& words : {Words{"calibrate", "bundle", "-o", "stats"}, Words{"convert", "bundle", "--self", "-p", "auto", "--bpw", "3"}})
    refused(words, 4, "--no-sensitivity");
  EXPECT_EQ(file("mine"), "precious");
  EXPECT_EQ(left(), (std::vector<std::string>{"bundle", "mine", "model"}));
}

}  // namespace
}  // namespace jang::cli
