// SPDX-License-Identifier: Apache-2.0
// Hostile directories of the method humming: every part missing, of another type or shape, a config that says something else, huge numbers;
// and schemes as vLLM finds them: by the fused map, by the first rule that matches, by what is left out.
#include "format/targets/humming/read_modules.h"

#include <gtest/gtest.h>

#include <functional>

#include "../../temp_folder.h"
#include "format/safetensors.h"
#include "format/targets/target.h"
#include "format/targets/validate.h"

namespace jang::format {
namespace {

constexpr std::int64_t kModuleRows = 64, kModuleInputs = 128;

// One module "a.q_proj" of 64 x 128 at 3 bits, group 32, with float zero points, and a norm.
class HummingModules : public TempFolder {
 protected:
  void SetUp() override {
    TempFolder::SetUp();
    tensors_ = {{"a.q_proj.weight", DType::i32, {kModuleRows, kModuleInputs / 32 * 3}},
                {"a.q_proj.weight_scale", DType::bf16, {kModuleRows, kModuleInputs / 32}},
                {"a.q_proj.zero_point", DType::bf16, {kModuleRows, kModuleInputs / 32}},
                {"norm.weight", DType::bf16, {8}}};
    config_ = {{"model_type", "llama"}, {"quantization_config", scheme("uint3", 32, true, true)}};
    quantization()["quant_method"] = "humming";
  }
  static json::Value scheme(const char* dtype, int group, bool has_zeros, bool floats) {
    return {{"b_dtype", dtype}, {"weight_scale_group_size", group}, {"has_zero_point", has_zeros}, {"is_fp_zero_point", floats}};
  }
  json::Value& quantization() { return config_["quantization_config"]; }
  TensorInfo& part(const std::string& name) {
    for (TensorInfo& t : tensors_)
      if (t.name == "a.q_proj." + name) return t;
    ADD_FAILURE() << name;
    return tensors_.front();
  }
  void drop(const std::string& name) {
    std::erase_if(tensors_, [&](const TensorInfo& t) { return t.name == "a.q_proj." + name; });
  }
  Result<Bundle> open() {
    std::string payload;
    for (const TensorInfo& t : tensors_) payload += std::string(static_cast<std::size_t>(t.bytes()), '\x3c');  // finite in bf16
    put("model.safetensors", make_safetensors_header(tensors_, {{"format", "pt"}}) + payload);
    put("config.json", config_.dump());
    return open_bundle(root_.string());
  }
  void expect_refused(StatusCode code, const std::string& word) {
    const auto bundle = open();
    ASSERT_FALSE(bundle.ok()) << word;
    EXPECT_EQ(bundle.status().code(), code) << bundle.status().message();
    EXPECT_NE(bundle.status().message().find(word), std::string::npos) << bundle.status().message();
  }

  std::vector<TensorInfo> tensors_;
  json::Value config_;
};

TEST_F(HummingModules, modules_are_read_in_all_three_kinds) {
  auto bundle = open();
  ASSERT_TRUE(bundle.ok()) << bundle.status().message();
  EXPECT_EQ(bundle->target->name(), "vllm-humming");
  ASSERT_EQ(bundle->modules.size(), 1u);
  EXPECT_EQ(bundle->modules.front().format, codec::find_format(codec::Kind::float_zero, 3, 32));
  EXPECT_EQ(bundle->modules.front().shape, (Shape{kModuleRows, kModuleInputs}));
  EXPECT_EQ(bundle->plain.size(), 1u);
  const auto findings = validate(root_.string(), {.deep = true});
  ASSERT_TRUE(findings.ok());
  for (const Finding& f : *findings) ADD_FAILURE() << f.where << ": " << f.message;

  part("zero_point") = {"a.q_proj.zero_point", DType::i32, {kModuleRows / 32 * 3, kModuleInputs / 32}};
  quantization()["is_fp_zero_point"] = false;
  bundle = open();
  ASSERT_TRUE(bundle.ok()) << bundle.status().message();
  EXPECT_EQ(bundle->modules.front().format, codec::find_format(codec::Kind::integer_zero, 3, 32));

  drop("zero_point");
  quantization()["has_zero_point"] = false;
  bundle = open();
  ASSERT_TRUE(bundle.ok()) << bundle.status().message();
  EXPECT_EQ(bundle->modules.front().format, codec::find_format(codec::Kind::symmetric, 3, 32));
}

TEST_F(HummingModules, every_missing_part_is_named) {
  const std::vector<TensorInfo> all = tensors_;
  drop("weight");
  expect_refused(StatusCode::corrupt, "without weight");
  tensors_ = all;
  drop("zero_point");
  expect_refused(StatusCode::corrupt, "no zero_point");
  tensors_ = all;
  quantization()["has_zero_point"] = false;
  expect_refused(StatusCode::corrupt, "has zero_point");
}

TEST_F(HummingModules, parts_of_other_types_and_shapes_are_corrupt) {
  const std::vector<TensorInfo> all = tensors_;
  const std::pair<const char*, TensorInfo> wrong[] = {
      {"weight", {"", DType::u8, {kModuleRows, kModuleInputs / 32 * 3}}},
      {"weight", {"", DType::i32, {kModuleRows * (kModuleInputs / 32 * 3)}}},
      {"weight", {"", DType::i32, {kModuleRows, kModuleInputs / 32 * 3 + 1}}},
      {"weight", {"", DType::i32, {kModuleRows, 0}}},
      {"weight", {"", DType::i32, {kModuleRows / 2, kModuleInputs / 32 * 3}}},
      {"weight", {"", DType::i32, {kModuleRows, kModuleInputs / 32 * 4}}},
      {"weight_scale", {"", DType::i16, {kModuleRows, kModuleInputs / 32}}},
      {"weight_scale", {"", DType::bf16, {kModuleRows, kModuleInputs / 64}}},
      {"weight_scale", {"", DType::bf16, {kModuleRows, 2, kModuleInputs / 64}}},
      {"weight_scale", {"", DType::f16, {kModuleRows, kModuleInputs / 32}}},
      {"zero_point", {"", DType::f16, {kModuleRows, kModuleInputs / 32}}},
      {"zero_point", {"", DType::i32, {kModuleRows, kModuleInputs / 32}}},
      {"zero_point", {"", DType::bf16, {kModuleRows, kModuleInputs / 32 + 1}}},
      {"zero_point", {"", DType::bf16, {kModuleRows * (kModuleInputs / 32)}}},
  };
  int n = 0;
  for (const auto& [name, info] : wrong) {
    tensors_ = all;
    part(name) = {"a.q_proj." + std::string(name), info.dtype, info.shape};
    const auto bundle = open();
    EXPECT_EQ(bundle.status().code(), StatusCode::corrupt) << n << ": " << bundle.status().message();
    ++n;
  }
}

TEST_F(HummingModules, malformed_configs_are_corrupt) {
  const json::Value good = config_;
  const std::function<void(json::Value&)> edits[] = {
      [](json::Value& q) { q.erase("b_dtype"); },
      [](json::Value& q) { q["b_dtype"] = 3; },
      [](json::Value& q) { q["b_dtype"] = "uint4"; },
      [](json::Value& q) { q["weight_scale_group_size"] = "32"; },
      [](json::Value& q) { q["weight_scale_group_size"] = -32; },
      [](json::Value& q) { q["weight_scale_group_size"] = 4294967328; },
      [](json::Value& q) { q["weight_scale_group_size"] = 1e300; },
      [](json::Value& q) { q["weight_scale_group_size"] = 0; },
      [](json::Value& q) { q["has_zero_point"] = "yes"; },
      [](json::Value& q) { q["is_fp_zero_point"] = 1; },
      [](json::Value& q) {
        q["dynamic"] = {1, 2};
      },
      [](json::Value& q) { q["dynamic"]["+:a"] = 4; },
      [](json::Value& q) { q["dynamic"]["+"] = json::Value::object(); },
      [](json::Value& q) { q["dynamic"]["+:(a"] = json::Value::object(); },
      [](json::Value& q) { q["ignore"] = "a"; },
      [](json::Value& q) { q["ignore"] = {1}; },
  };
  int n = 0;
  for (const auto& edit : edits) {
    config_ = good;
    edit(quantization());
    EXPECT_EQ(open().status().code(), StatusCode::corrupt) << n;
    ++n;
  }
}

TEST_F(HummingModules, what_is_not_read_is_refused_by_name) {
  const json::Value good = config_;
  const std::pair<const char*, json::Value> fields[] = {
      {"b_dtype", "float4e2m1"},         {"b_dtype", "uint9"},       {"weight_scale_group_size_n", 128}, {"weight_scale_type", "block"},
      {"weight_scale_2_type", "tensor"}, {"bs_dtype", "float8e8m0"}, {"hadamard_block_size", 32},        {"a_dtype", "int8"}};
  for (const auto& [field, value] : fields) {
    SCOPED_TRACE(field);
    config_ = good;
    quantization()[field] = value;
    expect_refused(StatusCode::unsupported, field);
  }
  config_ = good;
  quantization()["b_dtype"] = "uint7";
  part("weight").shape = {kModuleRows, kModuleInputs / 32 * 7};
  expect_refused(StatusCode::unsupported, "7 bits");
}

TEST_F(HummingModules, schemes_are_found_by_the_fused_map_then_by_name) {
  quantization()["b_dtype"] = "uint8";
  expect_refused(StatusCode::corrupt, "8 bits");
  const json::Value good = config_, three = {{"b_dtype", "uint3"}}, four = {{"b_dtype", "uint4"}};
  for (const char* rule : {"+:a\\.qkv_proj$", "+:^a\\.q_proj$", "+:a"}) {
    config_ = good;
    quantization()["dynamic"][rule] = three;
    EXPECT_TRUE(open().ok()) << rule << ": " << open().status().message();
  }
  config_ = good;  // the first that matches
  quantization()["dynamic"]["+:a"] = four;
  quantization()["dynamic"]["+:a.q"] = three;
  expect_refused(StatusCode::corrupt, "4 bits");
  config_ = good;  // the fused map's before the module's own
  quantization()["dynamic"]["+:a.q_proj"] = four;
  quantization()["dynamic"]["+:a.qkv_proj"] = three;
  EXPECT_TRUE(open().ok()) << open().status().message();
}

TEST_F(HummingModules, what_is_left_out_and_packed_is_refused) {
  const json::Value good = config_;
  for (const char* entry : {"q_proj", "qkv_proj", "re:.*qkv"}) {
    config_ = good;
    quantization()["ignore"] = {entry};
    expect_refused(StatusCode::corrupt, "leaves it out");
  }
  config_ = good;
  quantization()["dynamic"]["-:a"] = json::Value::object();
  expect_refused(StatusCode::corrupt, "leaves it out");
  config_ = good;
  quantization()["dynamic"]["+:b"] = {{"b_dtype", "uint4"}};
  quantization()["ignore"] = {"absent"};
  ASSERT_TRUE(open().ok());
  const auto findings = validate(root_.string(), {});
  ASSERT_TRUE(findings.ok());
  ASSERT_EQ(findings->size(), 2u);
  EXPECT_EQ(findings->front().severity, Severity::warning);
  EXPECT_EQ(findings->back().severity, Severity::error);
  for (TensorInfo& t : tensors_)
    if (t.name.starts_with("a.q_proj")) t.name.replace(0, 8, "lm_head");
  config_ = good;
  expect_refused(StatusCode::corrupt, "output heads");
}

}  // namespace
}  // namespace jang::format
