// SPDX-License-Identifier: Apache-2.0
// What directories say of how they were made, read from documents by hand; conversions and exports: tests/quantize/engine_targets_test.cpp.
#include "format/targets/record.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace jang::targets {
namespace {

namespace fs = std::filesystem;

class DirectoryRecord : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() / ("jang_record_" + std::to_string(::getpid()));
    fs::remove_all(dir_);
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }
  bool rescaled_with(const std::string& name, const std::string& text) {
    for (const auto& entry : fs::directory_iterator(dir_)) fs::remove(entry);
    std::ofstream(dir_ / name) << text;
    return is_rescaled(dir_.string());
  }
  fs::path dir_;
};

TEST_F(DirectoryRecord, rescaled_is_what_it_or_its_origin_says) {
  EXPECT_TRUE(rescaled_with("jang_config.json", R"({"quantization": {"activation_aware_scaling": []}})"));
  EXPECT_TRUE(rescaled_with("jang_record.json", R"({"quantization": {"activation_aware_scaling": []}})"));
  EXPECT_FALSE(rescaled_with("jang_record.json", R"({"quantization": {"quantization_method": "fit"}})"));
  EXPECT_TRUE(rescaled_with("jang_record.json", R"({"quantization": {"quantization_method": "fit", "origin":
      {"target": "vllm", "quantization_method": "fit", "origin": {"activation_aware_scaling": [1]}}}})"));
  EXPECT_TRUE(rescaled_with("jang_config.json", R"({"quantization": {"quantization_method": "unknown", "origin": {"target": "awq"}}})"));
  EXPECT_FALSE(
      rescaled_with("jang_config.json",
                    R"({"quantization": {"quantization_method": "fit", "origin": {"target": "awq", "quantization_method": "fit"}}})"));
  EXPECT_TRUE(rescaled_with("config.json", R"({"quantization_config": {"quant_method": "awq"}})"));
  EXPECT_FALSE(rescaled_with("config.json", R"({"quantization_config": {"quant_method": "gptq"}})"));
  for (const char* text : {"", "[]", "{}", "1", R"({"quantization": []})", R"({"quantization": {"origin": 3}})"})
    EXPECT_FALSE(rescaled_with("jang_record.json", text)) << text;
}

TEST_F(DirectoryRecord, an_origin_keeps_all_but_the_manifest) {
  const json::Value record = json::parse(R"({"quantization": {"profile": "JANG_4K", "quantization_method": "awq", "target": "no",
      "tensor_quantization_manifest": {"a": 1}, "tensor_quantization_manifest_count": 1, "origin": {"target": "awq"}}})",
                                         "test")
                                 .value();
  EXPECT_EQ(json::dump(origin_of(record, "vllm"), 0),
            json::dump({{"target", "vllm"}, {"profile", "JANG_4K"}, {"quantization_method", "awq"}, {"origin", {{"target", "awq"}}}}, 0));
  EXPECT_EQ(origin_of(nullptr, "gptq"), json::Value({{"target", "gptq"}}));
  EXPECT_EQ(origin_of(json::Value::array(), "gptq"), json::Value({{"target", "gptq"}}));
}

TEST_F(DirectoryRecord, a_directory_without_one_has_null) {
  EXPECT_TRUE(read_record(dir_.string()).value().is_null());
  std::ofstream(dir_ / "jang_record.json") << "{";
  EXPECT_FALSE(read_record(dir_.string()).ok());
}

}  // namespace
}  // namespace jang::targets
