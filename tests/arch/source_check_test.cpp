// SPDX-License-Identifier: Apache-2.0
// Sources that are refused before any name is matched.
#include <gtest/gtest.h>

#include <limits>

#include "fake_model.h"

namespace jang::arch {
namespace {

using namespace testing;

void expect_refused(const FakeModel& m, StatusCode code, const std::string& word) {
  const auto r = m.describe();
  ASSERT_FALSE(r.ok()) << word;
  EXPECT_EQ(r.status().code(), code) << r.status().message();
  EXPECT_NE(r.status().message().find(word), std::string::npos) << r.status().message();
}

TEST(SourceCheck, quantization_config_is_named) {
  for (const char* method : {"gptq", "awq", "fp8", "compressed-tensors", "bitsandbytes", "mxfp4"}) {
    FakeModel m = dense("llama");
    m.config["quantization_config"] = {{"quant_method", method}};
    expect_refused(m, StatusCode::unsupported, method);
  }
}

TEST(SourceCheck, nested_quantization_config_is_found) {
  FakeModel m = qwen3_5(true, true);
  m.config["text_config"]["quantization_config"] = {{"quant_method", "fp8"}};
  expect_refused(m, StatusCode::unsupported, "text_config.quantization_config: fp8");
}

TEST(SourceCheck, mlx_quantization_is_named_with_its_bits) {
  FakeModel m = dense("llama");
  m.config["quantization"] = {{"group_size", 64}, {"bits", 4}};
  expect_refused(m, StatusCode::unsupported, "MLX, 4 bits");
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
