// SPDX-License-Identifier: Apache-2.0
// `jang convert --target awq`, `jang export` and what opens the results, as a user starts them.
#include <filesystem>

#include "../support/bundled_model.h"
#include "../support/program.h"

namespace jang::cli {
namespace {

using namespace jang::test;

class Export : public ProgramTest {
 protected:
  std::string path(const std::string& name) const { return (dir_ / name).string(); }
};

TEST_F(Export, awq_directories_are_made_run_and_exported) {
  const ProgramOutcome made = run({"convert", kBundledModel, "--target", "awq", "-o", path("awq")});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_TRUE(contains(made.out, "uniform_4")) << made.out;
  EXPECT_TRUE(contains(made.out, "vllm serve")) << made.out;
  const ProgramOutcome valid = run({"validate", path("awq"), "--deep"});
  EXPECT_EQ(valid.code, 0) << valid.out;
  const ProgramOutcome text = run({"run", path("awq"), "-p", "Once upon a time", "-n", "4", "--temp", "0"});
  EXPECT_EQ(text.code, 0) << text.err;
  const ProgramOutcome shown = run({"inspect", path("awq"), "--json"});
  ASSERT_EQ(shown.code, 0) << shown.err;
  EXPECT_EQ(json::parse(shown.out, "document").value()["code_bits"], 4);

  const ProgramOutcome exported = run({"export", path("awq"), "--target", "mlx", "--scale-dtype", "fp32", "-o", path("mlx"), "--json"});
  ASSERT_EQ(exported.code, 0) << exported.err;
  const json::Value v = json::parse(exported.out, "document").value();
  EXPECT_EQ(v["modules"], v["exact_modules"]);
  EXPECT_GT(v["modules"], 20);
  EXPECT_EQ(v["error"], 0);
  const ProgramOutcome wide = run({"export", path("mlx"), "--target", "awq", "--scale-dtype", "fp32", "-o", path("wide")});
  EXPECT_EQ(wide.code, 2) << wide.err;
  EXPECT_TRUE(contains(wide.err, "leave --scale-dtype out")) << wide.err;
  EXPECT_FALSE(std::filesystem::exists(path("wide")));
  // Only MLX bundles are trained, and that is said before the training.
  const ProgramOutcome trained = run({"distill", path("awq"), "--ref", kBundledModel, "-o", path("trained")});
  EXPECT_EQ(trained.code, 2) << trained.err;
  EXPECT_TRUE(contains(trained.err, "not awq")) << trained.err;
  const ProgramOutcome again = run({"run", path("mlx"), "-p", "Once upon a time", "-n", "4", "--temp", "0"});
  EXPECT_EQ(again.out, text.out) << again.err;
}

TEST_F(Export, what_does_not_come_over_exactly_is_told) {
  const ProgramOutcome made = run({"convert", kBundledModel, "-p", "uniform_3", "-o", path("mlx"), "-q"});
  ASSERT_EQ(made.code, 0) << made.err;
  const ProgramOutcome exported = run({"export", path("mlx"), "--target", "vllm", "-o", path("vllm")});
  ASSERT_EQ(exported.code, 0) << exported.err;
  EXPECT_TRUE(contains(exported.err, "do not come over exactly")) << exported.err;
  EXPECT_TRUE(contains(exported.err, "embed_tokens")) << exported.err;  // which vLLM reads in 16 bits
  EXPECT_TRUE(contains(exported.out, "off by")) << exported.out;
}

TEST_F(Export, mistakes_are_usage_errors) {
  const ProgramOutcome target = run({"export", kBundledModel, "--target", "awqq"});
  EXPECT_EQ(target.code, 2) << target.err;
  const ProgramOutcome plain = run({"export", kBundledModel, "--target", "vllm", "-o", path("out")});
  EXPECT_EQ(plain.code, 2) << plain.err;
  EXPECT_TRUE(contains(plain.err, "jang convert")) << plain.err;
  std::filesystem::create_directories(path("there"));
  const ProgramOutcome there = run({"export", kBundledModel, "--target", "vllm", "-o", path("there")});
  EXPECT_EQ(there.code, 2) << there.err;
  EXPECT_TRUE(contains(there.err, "exists already")) << there.err;
  EXPECT_EQ(run({"export", path("nowhere"), "--target", "vllm"}).code, 3);
  const ProgramOutcome profile = run({"convert", kBundledModel, "--target", "awq", "-p", "2", "-o", path("awq")});
  EXPECT_EQ(profile.code, 2) << profile.err;
  EXPECT_TRUE(contains(profile.err, "say -p uniform_4")) << profile.err;
  EXPECT_TRUE(contains(profile.err, "jang convert --help")) << profile.err;
}

}  // namespace
}  // namespace jang::cli
