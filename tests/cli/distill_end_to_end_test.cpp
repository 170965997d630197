// SPDX-License-Identifier: Apache-2.0
// `jang distill` from outside: the directory it makes, its repeatability, interruption, what is refused.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "../support/program.h"
#include "../support/small_mixture.h"

namespace jang::cli {
namespace {

using namespace jang::test;

class DistillCommand : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    write_small_mixture(dir_ / "model");
    const ProgramOutcome made = run({"convert", "model", "-p", "uniform_2", "-m", "rtn", "-o", "bundle", "-q"});
    ASSERT_EQ(made.code, 0) << made.err;
  }
  // Little text, so that a step takes a moment.
  static Words distill(const std::string& output, const Words& more = {}, const std::string& steps = "4") {
    Words words = {"distill", "bundle", "--ref", "model", "-o", output, "--steps", steps, "--batch", "2", "--seq-len", "16"};
    words.insert(words.end(), more.begin(), more.end());
    if (std::ranges::find(more, "--rate") == more.end()) words.insert(words.end(), {"--rate", "1"});
    return words;
  }
  std::string file(const std::string& name) const { return read_file(dir_ / name); }
  std::string weights(const std::string& bundle) const { return file(bundle + "/model.safetensors"); }
  static std::string header(const std::string& weights) {
    std::uint64_t n = 0;
    std::memcpy(&n, weights.data(), 8);
    return weights.substr(8, n);
  }
};

TEST_F(DistillCommand, makes_the_same_bundle_with_other_numbers) {
  const ProgramOutcome done = run(distill("out/", {"--progress", "off"}));
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_TRUE(contains(done.err, "a step takes")) << done.err;  // what it will take is said beforehand
  EXPECT_TRUE(contains(done.out, "wrote out\n")) << done.out;
  EXPECT_TRUE(contains(done.out, "of 4 kept")) << done.out;
  EXPECT_EQ(run({"validate", "out", "--deep"}).code, 0);
  EXPECT_EQ(left(), (std::vector<std::string>{"bundle", "model", "out"}));
  const std::string before = weights("bundle"), after = weights("out");
  ASSERT_EQ(before.size(), after.size());
  EXPECT_FALSE(before == after);
  ASSERT_EQ(header(before), header(after));
  // What is not packed is the same to the byte.
  const json::Value tensors = parse(header(before));
  const std::size_t start = 8 + header(before).size();
  int plain = 0, changed = 0;
  for (const auto& [name, entry] : tensors.items()) {
    if (name == "__metadata__") continue;
    const std::size_t begin = start + entry["data_offsets"][0].get<std::size_t>(),
                      end = start + entry["data_offsets"][1].get<std::size_t>();
    const bool same = before.compare(begin, end - begin, after, begin, end - begin) == 0;
    const bool packed =
        name.ends_with(".scales") || name.ends_with(".biases") || tensors.contains(name.substr(0, name.rfind('.')) + ".scales");
    if (!packed) {
      EXPECT_TRUE(same) << name;
      ++plain;
    }
    if (!same) ++changed;
  }
  EXPECT_GT(plain, 4);
  EXPECT_GT(changed, 10);
  for (const char* name : {"config.json", "tokenizer.json"})
    EXPECT_EQ(file("bundle/" + std::string(name)), file("out/" + std::string(name)));
  const json::Value record = parse(file("out/jang_config.json"))["quantization"]["distillation"];
  EXPECT_EQ(record["steps"], 4);
  EXPECT_EQ(record["text"], "self");
  EXPECT_LE(record["divergence"].get<double>(), record["start_divergence"].get<double>());
  // It can be trained on.
  EXPECT_EQ(
      run({"distill", "out", "--ref", "model", "-o", "further", "--steps", "1", "--batch", "1", "--seq-len", "8", "--rate", "1", "-q"})
          .code,
      0);
}

TEST_F(DistillCommand, block_by_block_only_the_layers_change) {
  const ProgramOutcome done = run(distill("out", {"--blocks", "--json", "-q"}));
  ASSERT_EQ(done.code, 0) << done.err;
  const json::Value d = document(done);
  ASSERT_EQ(d["blocks"].size(), 1u);
  EXPECT_LT(d["kld"].get<double>(), d["kld_start"].get<double>());
  EXPECT_EQ(run({"validate", "out", "--deep"}).code, 0);
  EXPECT_EQ(left(), (std::vector<std::string>{"bundle", "model", "out"}));
  const std::string before = weights("bundle"), after = weights("out");
  ASSERT_EQ(header(before), header(after));
  const std::size_t start = 8 + header(before).size();
  const json::Value tensors = parse(header(before));
  int changed = 0;
  for (const auto& [name, entry] : tensors.items()) {
    if (name == "__metadata__") continue;
    const std::size_t begin = start + entry["data_offsets"][0].get<std::size_t>(),
                      end = start + entry["data_offsets"][1].get<std::size_t>();
    if (before.compare(begin, end - begin, after, begin, end - begin) == 0) continue;
    ++changed;
    EXPECT_TRUE(contains(name, ".layers.")) << name;
  }
  EXPECT_GT(changed, 10);
  EXPECT_EQ(parse(file("out/jang_config.json"))["quantization"]["distillation"]["blocks"].size(), 1u);
}

TEST_F(DistillCommand, document_and_repeatability) {
  const ProgramOutcome done = run(distill("one", {"--json", "-q", "-t", "1"}));
  ASSERT_EQ(done.code, 0) << done.err;
  const json::Value d = document(done);
  EXPECT_EQ(d["output"], "one");
  EXPECT_EQ(d["steps"], 4);
  EXPECT_EQ(d["points"].size(), 5u);
  EXPECT_EQ(d["points"][0]["kld"], d["kld_start"]);
  EXPECT_GT(d["trained_weights"].get<std::int64_t>(), 1000000);
  ASSERT_EQ(run(distill("two", {"-q", "-t", "2"})).code, 0);
  EXPECT_TRUE(weights("one") == weights("two"));
  EXPECT_EQ(file("one/jang_config.json"), file("two/jang_config.json"));
  ASSERT_EQ(run(distill("seeded", {"-q", "--seed", "2"})).code, 0);
  EXPECT_FALSE(weights("one") == weights("seeded"));
}

TEST_F(DistillCommand, interrupted_it_goes_on_to_the_same_bundle) {
  const Words more = {"-t", "1", "--progress", "json"};
  ASSERT_EQ(run(distill("whole", more, "12")).code, 0);
  const ProgramOutcome stopped = run_and_signal(distill("out", more, "12"), "\"total\":12,", SIGINT);
  ASSERT_EQ(stopped.code, 130) << stopped.err;
  EXPECT_EQ(left(), (std::vector<std::string>{"bundle", "model", "out.training", "whole"}));
  const ProgramOutcome resumed = run(distill("out", more, "12"));
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_TRUE(contains(resumed.err, "taking up out.training")) << resumed.err;
  EXPECT_TRUE(weights("out") == weights("whole"));
  EXPECT_EQ(left(), (std::vector<std::string>{"bundle", "model", "out", "whole"}));
}

// mlx-lm writes no jang_config.json; a bundle of its making is trained as well, and gets none.
TEST_F(DistillCommand, bundles_of_other_makers) {
  fs::remove(dir_ / "bundle/jang_config.json");
  const ProgramOutcome done = run(distill("out", {"-q"}));
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_FALSE(fs::exists(dir_ / "out/jang_config.json"));
  EXPECT_EQ(run({"validate", "out"}).code, 0);
}

TEST_F(DistillCommand, refusals) {
  const auto refused = [&](const Words& words, int code, std::string_view why) {
    const ProgramOutcome done = run(words);
    EXPECT_EQ(done.code, code) << done.err;
    EXPECT_TRUE(contains(done.err, why)) << done.err;
    EXPECT_EQ(done.out, "");
  };
  refused({"distill", "bundle", "-o", "out"}, 2, "--ref");
  refused({"distill", "bundle", "--ref", "model"}, 2, "-o");
  refused({"convert", "model", "--blocks", "-o", "out"}, 2, "--distill");
  refused({"distill", "missing", "--ref", "model", "-o", "out"}, 3, "missing");
  refused(distill("bundle", {"--force"}), 2, "itself");
  refused({"distill", "bundle", "--ref", "bundle", "-o", "bundle", "--force"}, 2, "itself");
  refused(distill("missing/out"), 3, "missing");
  refused(distill("out", {"--rate", "0"}), 2, "--rate");
  refused(distill("out", {}, "0"), 2, "--steps");
  refused(distill("out", {"--codes", "9"}), 2, "--codes");
  refused(distill("out", {"-f", "nothing.txt"}), 3, "nothing.txt");
  write("empty.txt", "");
  refused(distill("out", {"-f", "empty.txt"}), 2, "empty");
  fs::remove(dir_ / "empty.txt");
  fs::create_symlink("nowhere", dir_ / "dangling");
  refused(distill("dangling"), 2, "link");
  fs::remove(dir_ / "dangling");
  write("out.training", "mine");
  refused(distill("out"), 2, "in the way");
  EXPECT_EQ(file("out.training"), "mine");
  fs::remove(dir_ / "out.training");
  // What could not be published is not trained.
  fs::copy(dir_ / "bundle", dir_ / "broken");
  write("broken/jang_config.json", "{");
  ASSERT_NE(run({"validate", "broken"}).code, 0);
  refused({"distill", "broken", "--ref", "model", "-o", "out", "--steps", "1"}, 3, "not valid");
  fs::remove_all(dir_ / "broken");
  refused({"distill", "model", "--ref", "model", "-o", "out"}, 2, "packed");
  fs::create_directory(dir_ / "there");
  write("there/config.json", "{}");
  refused(distill("there"), 2, "exists");
  fs::create_directory(dir_ / "notes");
  write("notes/mine.txt", "not a model");
  refused(distill("notes", {"--force"}), 2, "notes");  // before the work
  EXPECT_EQ(left(), (std::vector<std::string>{"bundle", "model", "notes", "there"}));
}

}  // namespace
}  // namespace jang::cli
