// SPDX-License-Identifier: Apache-2.0
// Sources that are refused before any name is matched.
#include <gtest/gtest.h>

#include <limits>

#include "../../arch/fake_model.h"

namespace jang::arch {
namespace {

using namespace testing;

void expect_refused(const FakeModel& m, StatusCode code, const std::string& word) {
  const auto r = m.describe();
  ASSERT_FALSE(r.ok()) << word;
  EXPECT_EQ(r.status().code(), code) << r.status().message();
  EXPECT_NE(r.status().message().find(word), std::string::npos) << r.status().message();
}

// A method as config.json names it, one tensor that a model packed so has, and a word of the advice.
struct Packed {
  const char *method, *tensor;
  DType dtype;
  const char* advice;
};
constexpr Packed kPacked[] = {
    {"gptq", "model.layers.0.mlp.up_proj.qweight", DType::i32, "it was made from"},
    {"awq", "model.layers.0.mlp.up_proj.qzeros", DType::i32, "it was made from"},
    {"fp8", "model.layers.0.mlp.up_proj.weight_scale_inv", DType::f32, "FineGrainedFP8Config"},
    {"fp8", "model.layers.0.mlp.x.weight", DType::f8_e4m3, "FineGrainedFP8Config"},
    {"compressed-tensors", "model.layers.0.mlp.up_proj.weight_packed", DType::i32, "CompressedTensorsConfig"},
    {"bitsandbytes", "model.layers.0.mlp.up_proj.weight.absmax", DType::u8, "model.dequantize()"},
    {"bitsandbytes", "model.layers.0.mlp.x.weight", DType::i8, "model.dequantize()"},
    {"mxfp4", "model.layers.0.mlp.experts.gate_up_proj_blocks", DType::u8, "Mxfp4Config"},
    {"quanto", "model.layers.0.mlp.up_proj.weight._data", DType::i8, "it was made from"},
    {"hqq", "model.layers.0.mlp.up_proj.W_q", DType::u8, "it was made from"},
};

TEST(SourceCheck, packed_tensors_are_refused_with_method_and_advice) {
  for (const Packed& p : kPacked) {
    FakeModel m = dense("llama");
    m.config["quantization_config"] = {{"quant_method", p.method}};
    m.add(p.tensor, {8, 8}, p.dtype);
    expect_refused(m, StatusCode::unsupported, p.tensor);
    expect_refused(m, StatusCode::unsupported, p.advice);
    if (p.dtype != DType::f8_e4m3) expect_refused(m, StatusCode::unsupported, std::string("quantization_config: ") + p.method);
  }
}

TEST(SourceCheck, a_claim_left_over_on_plain_tensors_is_ignored_with_a_warning) {
  for (const char* method : {"gptq", "awq", "fp8", "compressed-tensors", "bitsandbytes", "mxfp4", "quanto"}) {
    FakeModel m = dense("llama");
    m.config["quantization_config"] = {{"quant_method", method}};
    const auto model = m.describe();
    ASSERT_TRUE(model.ok()) << model.status().message();
    ASSERT_EQ(model->warnings.size(), 1u);
    EXPECT_NE(model->warnings[0].find(std::string("quantization_config: ") + method), std::string::npos) << model->warnings[0];
    EXPECT_FALSE(model->config.contains("quantization_config")) << "the bundle must not claim it";
  }
}

TEST(SourceCheck, integer_buffers_are_no_codes_even_under_a_claim) {
  FakeModel m = dense("llama");
  m.config["quantization_config"] = {{"quant_method", "bitsandbytes"}};
  m.add("model.embeddings.position_ids", {1, 512}, DType::i64);
  m.add("model.layers.0.attn.bias", {1, 1, 8, 8}, DType::boolean);
  EXPECT_TRUE(m.describe().ok()) << m.describe().status().message();
}

TEST(SourceCheck, bitnet_is_refused_whatever_its_tensors_are) {
  FakeModel m = dense("llama");
  m.config["quantization_config"] = {{"quant_method", "bitnet"}, {"quantization_mode", "online"}};
  expect_refused(m, StatusCode::unsupported, "bitnet");
}

TEST(SourceCheck, nested_quantization_config_is_found) {
  FakeModel m = qwen3_5(true, true);
  m.config["text_config"]["quantization_config"] = {{"quant_method", "fp8"}};
  const auto model = m.describe();
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_NE(model->warnings.front().find("text_config.quantization_config: fp8"), std::string::npos);
  EXPECT_FALSE(model->config["text_config"].contains("quantization_config"));
  m.add("model.layers.0.mlp.up_proj.weight_scale_inv", {8, 8});
  expect_refused(m, StatusCode::unsupported, "text_config.quantization_config: fp8");
}

TEST(SourceCheck, mlx_quantization_is_named_with_its_bits) {
  FakeModel m = dense("llama");
  m.config["quantization"] = {{"group_size", 64}, {"bits", 4}};
  EXPECT_TRUE(m.describe().ok()) << "plain tensors";
  m.find("model.layers.0.mlp.up_proj.weight")->dtype = DType::u32;
  expect_refused(m, StatusCode::unsupported, "MLX, 4 bits");
  expect_refused(m, StatusCode::unsupported, "mlx_lm.convert --dequantize");
}

TEST(SourceCheck, packed_parameters_without_config_are_named) {
  for (const char* name :
       {"model.layers.0.mlp.up_proj.qweight", "model.layers.0.mlp.up_proj.weight_scale_inv", "x.weight_packed", "x.absmax"}) {
    FakeModel m = dense("llama");
    m.add(name, {8, 8});
    expect_refused(m, StatusCode::unsupported, name);
  }
}

TEST(SourceCheck, integer_matrix_is_packed_codes) {
  FakeModel m = dense("llama");
  m.find("model.layers.0.mlp.up_proj.weight")->dtype = DType::u32;
  expect_refused(m, StatusCode::unsupported, "holds U32");
}

TEST(SourceCheck, fp8_is_unsupported) {
  FakeModel m = dense("llama");
  m.find("model.layers.0.mlp.up_proj.weight")->dtype = DType::f8_e4m3;
  expect_refused(m, StatusCode::unsupported, "F8_E4M3");
}

TEST(SourceCheck, impossible_shapes_are_corrupt) {
  constexpr std::int64_t kBig = std::numeric_limits<std::int64_t>::max();
  for (const Shape& shape : {Shape{kBig, 2}, Shape{-1, 4}, Shape{kBig / 2}, Shape(9, 1)}) {
    FakeModel m = dense("llama");
    m.find("model.norm.weight")->shape = shape;
    expect_refused(m, StatusCode::corrupt, "model.norm.weight");
  }
}

}  // namespace
}  // namespace jang::arch
