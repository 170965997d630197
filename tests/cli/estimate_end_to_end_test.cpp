// SPDX-License-Identifier: Apache-2.0
// `jang estimate` as a user runs it.
#include <gtest/gtest.h>

#include "../support/program.h"

namespace jang::cli {
namespace {

using namespace jang::test;
using EstimateEndToEnd = ProgramTest;

const std::string kConfig = source_dir() + "/tests/data/configs/Qwen3.5-122B-A10B.json";

TEST_F(EstimateEndToEnd, document_has_every_number_and_the_profiles_asked_for) {
  const ProgramOutcome done = run({"estimate", kConfig, "-p", "2S", "-p", "4K", "--context", "4096", "--kv", "q8", "--json"});
  ASSERT_EQ(done.code, 0) << done.err;
  const json::Value v = document(done);
  for (const char* key : {"schema_version", "model_type", "params", "active_params", "source_bytes", "context", "caches", "profiles"})
    EXPECT_TRUE(v.contains(key)) << key;
  EXPECT_EQ(v["context"], 4096);
  EXPECT_EQ(v["cache_type"], "q8");
  ASSERT_EQ(v["profiles"].size(), 2u);
  EXPECT_EQ(v["profiles"][0]["profile"], "JANG_2S");
  EXPECT_EQ(v["profiles"][0]["fits_gib"]["8"], false);
  EXPECT_EQ(v["profiles"][0]["fits_gib"]["512"], true);
  EXPECT_LT(v["caches"]["q8"]["bytes"], v["caches"]["f16"]["bytes"]);
}

TEST_F(EstimateEndToEnd, text_names_weights_source_memory_and_machines) {
  const ProgramOutcome done = run({"estimate", kConfig});
  ASSERT_EQ(done.code, 0) << done.err;
  for (const char* words : {"48 layers, 256 experts, 8 for every token", "244.", "JANG_4K", "uniform_4", "128 GB"})
    EXPECT_TRUE(contains(done.out, words)) << words << "\n" << done.out;
}

TEST_F(EstimateEndToEnd, refusals_have_the_exit_codes_of_the_contract) {
  EXPECT_EQ(run({"estimate", kConfig, "-p", "auto"}).code, 2);
  EXPECT_EQ(run({"estimate", kConfig, "-p", "9Z"}).code, 2);
  EXPECT_EQ(run({"estimate", kConfig, "--context", "0"}).code, 2);
  EXPECT_EQ(run({"estimate", "nowhere"}).code, 3);
  std::ofstream(dir_ / "config.json") << R"({"model_type": "mamba9"})";
  const ProgramOutcome unlisted = run({"estimate", "config.json"});
  EXPECT_EQ(unlisted.code, 4);
  EXPECT_TRUE(contains(unlisted.err, "mamba9")) << unlisted.err;
}

}  // namespace
}  // namespace jang::cli
