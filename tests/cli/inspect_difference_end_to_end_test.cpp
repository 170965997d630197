// SPDX-License-Identifier: Apache-2.0
// `jang inspect A B`: equal models, planted differences, a conversion beside its source.
#include <gtest/gtest.h>

#include "../support/program.h"

namespace jang::cli {
namespace {

using namespace jang::test;
using InspectDifference = ProgramTest;

TEST_F(InspectDifference, a_model_and_its_copy_do_not_differ) {
  ASSERT_EQ(run({"convert", kBundledModel, "-m", "rtn", "-o", "a", "-q"}).code, 0);
  fs::copy(dir_ / "a", dir_ / "b");
  const ProgramOutcome same = run({"inspect", "a", "b"});
  EXPECT_EQ(same.code, 0) << same.err;
  EXPECT_TRUE(contains(same.out, "no difference")) << same.out;
  // One code, one key of the configuration, one file beside them.
  {
    std::fstream file(dir_ / "b" / "model.safetensors", std::ios::binary | std::ios::in | std::ios::out);
    std::uint64_t header = 0;
    file.read(reinterpret_cast<char*>(&header), 8);
    file.seekp(static_cast<std::streamoff>(8 + header + 100));
    file.put('\x5a');
  }
  json::Value config = json::parse(read_file(dir_ / "b" / "config.json"), "config").value();
  config["rope_theta"] = 12345.0;
  std::ofstream(dir_ / "b" / "config.json") << config.dump();
  fs::remove(dir_ / "b" / "tokenizer_config.json");
  const ProgramOutcome differs = run({"inspect", "a", "b", "--json"});
  EXPECT_EQ(differs.code, 5) << differs.err;
  const json::Value v = document(differs);
  EXPECT_EQ(v["same"], false);
  ASSERT_EQ(v["config"].size(), 1u);
  EXPECT_EQ(v["config"][0]["key"], "rope_theta");
  ASSERT_EQ(v["files"].size(), 1u);
  EXPECT_EQ(v["files"][0]["name"], "tokenizer_config.json");
  EXPECT_EQ(v["files"][0]["in_second"], false);
  int changed = 0;
  for (const json::Value& t : v["tensors"]) changed += t["same"] == false ? 1 : 0;
  EXPECT_EQ(changed, 1);
}

TEST_F(InspectDifference, a_conversion_is_compared_with_its_source_by_value) {
  const ProgramOutcome converted = run({"convert", kBundledModel, "-p", "uniform_4", "-o", "a", "--json", "-q"});
  ASSERT_EQ(converted.code, 0);
  const ProgramOutcome compared = run({"inspect", kBundledModel, "a", "--json"});
  ASSERT_EQ(compared.code, 5) << compared.err;
  const json::Value made = document(converted), seen = document(compared);
  std::map<std::string, json::Value> rows;
  for (const json::Value& row : made["tensors"]) rows[row["name"].get<std::string>()] = row;
  int n = 0;
  for (const json::Value& t : seen["tensors"]) {
    const json::Value& row = rows.at(t["name"].get<std::string>());
    const json::Value& error = row["error"];
    if (error.is_null()) continue;
    ++n;
    EXPECT_NEAR(t["error"].get<double>(), error.get<double>(), 1e-5 * error.get<double>()) << t["name"];
    EXPECT_EQ(t["first"]["bits"], 16);
    EXPECT_EQ(t["second"]["bits"], row["bits"]);
    EXPECT_EQ(t["second"]["bytes"], row["bytes"]);
  }
  EXPECT_GT(n, 20);
  const ProgramOutcome headers = run({"inspect", kBundledModel, "a", "--no-values"});
  EXPECT_EQ(headers.code, 5);
  EXPECT_TRUE(contains(headers.out, "values were not compared")) << headers.out;
  EXPECT_EQ(run({"inspect", kBundledModel, "nowhere"}).code, 3);
  EXPECT_EQ(run({"inspect", kBundledModel, "a", "--html", "x.html"}).code, 2);
}

}  // namespace
}  // namespace jang::cli
