// SPDX-License-Identifier: Apache-2.0
// Opening and validating bundles: geometry is never guessed, and every contradiction between config, manifest and tensors is found.
#include "format/targets/bundle.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "format/safetensors.h"
#include "format/targets/validate.h"

namespace jang::format {
namespace {

namespace fs = std::filesystem;

// One module "m" of 8 x 128 at 4 bits, group 64, and a norm, written by hand; edits change it before it is written.
class BundleTest : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() /
           ("jang_bundle_" + std::to_string(::getpid()) + "_" + ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(dir_);
    fs::create_directories(dir_);
    tensors_ = {{"m.weight", DType::u32, {8, 16}},
                {"m.scales", DType::bf16, {8, 2}},
                {"m.biases", DType::bf16, {8, 2}},
                {"norm.weight", DType::bf16, {8}}};
    config_ = {{"model_type", "llama"},
               {"quantization", {{"group_size", 64}, {"bits", 4}, {"mode", "affine"}, {"m", {{"group_size", 64}, {"bits", 4}}}}}};
    jang_ = {{"format", "jang"},
             {"quantization", {{"tensor_quantization_manifest", {{"m", {{"bits", 4}, {"group_size", 64}, {"shape", {8, 128}}}}}}}}};
  }
  void TearDown() override { fs::remove_all(dir_); }

  void write() {
    std::size_t payload = 0;
    for (const TensorInfo& t : tensors_) payload += static_cast<std::size_t>(t.bytes());
    bytes_.resize(payload, '\x3c');  // 0x3c3c is finite in bf16
    std::ofstream(dir_ / "model.safetensors", std::ios::binary) << make_safetensors_header(tensors_, {{"format", "mlx"}}) << bytes_;
    std::ofstream(dir_ / "config.json") << config_.dump();
    if (!jang_.is_null()) std::ofstream(dir_ / "jang_config.json") << jang_.dump();
    std::ofstream(dir_ / "tokenizer.json") << "{}";
    std::ofstream(dir_ / "tokenizer_config.json") << "{}";
    std::ofstream(dir_ / "chat_template.jinja") << "{{ messages }}";
  }
  // Messages of findings with this severity.
  std::string findings(const std::string& severity, bool deep = true) {
    auto found = validate(dir_.string(), {.deep = deep});
    if (!found.ok()) return "status: " + found.status().message();
    std::string all;
    for (const Finding& f : *found)
      if (severity_name(f.severity) == severity) all += f.where + ": " + f.message + "\n";
    return all;
  }

  fs::path dir_;
  std::vector<TensorInfo> tensors_;
  std::string bytes_;
  json::Value config_, jang_;
};

TEST_F(BundleTest, rotated_weights_are_refused) {
  jang_["quantization"]["hadamard_rotation"] = false;
  write();
  EXPECT_TRUE(open_bundle(dir_.string()).ok());
  for (const json::Value& rotated : {json::Value(true), json::Value("block"), json::Value(1)}) {
    jang_["quantization"]["hadamard_rotation"] = rotated;
    write();
    const auto opened = open_bundle(dir_.string());
    ASSERT_FALSE(opened.ok()) << rotated;
    EXPECT_EQ(opened.status().code(), StatusCode::unsupported);
    EXPECT_NE(opened.status().message().find("hadamard_rotation"), std::string::npos) << opened.status().message();
  }
}

TEST_F(BundleTest, sound_bundle_has_no_findings) {
  write();
  EXPECT_EQ(findings("error") + findings("warning"), "");
  auto b = open_bundle(dir_.string());
  ASSERT_TRUE(b.ok()) << b.status().message();
  ASSERT_EQ(b->modules.size(), 1u);
  EXPECT_EQ(b->modules[0].format->bits, 4);
  EXPECT_EQ(b->modules[0].shape, (Shape{8, 128}));
  EXPECT_EQ(b->plain.size(), 1u);
}

TEST_F(BundleTest, declared_width_that_contradicts_the_shape_lists_what_would_fit) {
  config_["quantization"]["m"]["bits"] = 3;
  write();
  auto b = open_bundle(dir_.string());
  ASSERT_FALSE(b.ok());
  EXPECT_EQ(b.status().code(), StatusCode::corrupt);
  for (const char* pair : {"2/128", "4/64", "8/32"}) EXPECT_NE(b.status().message().find(pair), std::string::npos) << b.status().message();
  EXPECT_NE(findings("error").find("2/128"), std::string::npos);  // validate reports it as a finding, not as a failure to open
}

TEST_F(BundleTest, ambiguous_geometry_follows_the_declaration) {
  config_["quantization"]["m"] = {{"group_size", 128}, {"bits", 2}};  // the same words and groups: 16 * 32 == 2 * 128 * 2
  jang_ = nullptr;
  write();
  auto b = open_bundle(dir_.string());
  ASSERT_TRUE(b.ok()) << b.status().message();
  EXPECT_EQ(b->modules[0].shape, (Shape{8, 256}));
}

TEST_F(BundleTest, widths_nobody_can_read_are_refused) {
  for (const auto& [bits, group] : {std::pair{7, 64}, {0, 64}, {4, 0}, {4, 48}, {64, 4}}) {
    config_["quantization"]["m"] = {{"group_size", group}, {"bits", bits}};
    write();
    EXPECT_FALSE(open_bundle(dir_.string()).ok()) << bits << "/" << group;
  }
}

TEST_F(BundleTest, missing_companion_is_corrupt) {
  tensors_.erase(tensors_.begin() + 2);
  write();
  auto b = open_bundle(dir_.string());
  ASSERT_FALSE(b.ok());
  EXPECT_NE(b.status().message().find("no biases"), std::string::npos) << b.status().message();
}

TEST_F(BundleTest, scales_of_another_shape_or_type_are_corrupt) {
  tensors_[2].shape = {4, 2};
  write();
  EXPECT_FALSE(open_bundle(dir_.string()).ok());
  tensors_[2] = {"m.biases", DType::f32, {8, 2}};
  write();
  EXPECT_FALSE(open_bundle(dir_.string()).ok());
}

TEST_F(BundleTest, modules_that_the_config_leaves_out_have_no_scales) {
  config_["quantization"]["m"] = false;
  write();
  auto b = open_bundle(dir_.string());
  ASSERT_FALSE(b.ok());
  EXPECT_NE(b.status().message().find("leaves out module m"), std::string::npos) << b.status().message();
}

TEST_F(BundleTest, two_objects_that_say_different_things_are_told) {
  config_["quantization_config"] = config_["quantization"];
  write();
  EXPECT_EQ(findings("error"), "");
  config_["quantization_config"]["m"]["bits"] = 8;
  write();
  EXPECT_NE(findings("error").find("quantization and quantization_config"), std::string::npos) << findings("error");
}

TEST_F(BundleTest, other_modes_are_unsupported) {
  config_["quantization"]["mode"] = "mxfp4";
  write();
  auto b = open_bundle(dir_.string());
  ASSERT_FALSE(b.ok());
  EXPECT_EQ(b.status().code(), StatusCode::unsupported);
}

TEST_F(BundleTest, validate_finds_disagreement_with_the_manifest) {
  jang_["quantization"]["tensor_quantization_manifest"]["m"]["bits"] = 8;
  write();
  EXPECT_NE(findings("error").find("disagrees"), std::string::npos);
}

TEST_F(BundleTest, validate_finds_names_without_tensors) {
  config_["quantization"]["ghost"] = {{"group_size", 64}, {"bits", 4}};
  jang_["quantization"]["tensor_quantization_manifest"]["phantom"] = {{"bits", 4}};
  write();
  EXPECT_NE(findings("error").find("ghost"), std::string::npos);
  EXPECT_NE(findings("error").find("phantom"), std::string::npos);
}

TEST_F(BundleTest, values_that_are_not_finite_are_found) {
  std::size_t payload = 0;
  for (const TensorInfo& t : tensors_) payload += static_cast<std::size_t>(t.bytes());
  bytes_.assign(payload, '\x3c');
  bytes_[8 * 16 * 4 + 3] = '\x7f';  // second scale becomes 0x7fc0
  bytes_[8 * 16 * 4 + 2] = '\xc0';
  write();
  for (const bool deep : {false, true})
    EXPECT_NE(findings("error", deep).find("m.scales: element 1 is NaN"), std::string::npos) << findings("error", deep);
}

TEST_F(BundleTest, large_floats_are_read_when_asked) {
  tensors_.push_back({"table.weight", DType::f32, {2, 2}});
  bytes_.assign(8 * 16 * 4 + 2 * 32 + 16, '\x3c');
  bytes_ += std::string("\x00\x00\x80\x7f", 4) + std::string(12, '\0');
  write();
  EXPECT_EQ(findings("error", false), "");
  EXPECT_NE(findings("error", true).find("table.weight: element 0 is NaN or infinite"), std::string::npos) << findings("error", true);
}

TEST_F(BundleTest, truncated_file_cannot_be_opened) {
  write();
  fs::resize_file(dir_ / "model.safetensors", fs::file_size(dir_ / "model.safetensors") - 1);
  auto found = validate(dir_.string(), {});
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.status().code(), StatusCode::corrupt);
}

}  // namespace
}  // namespace jang::format
