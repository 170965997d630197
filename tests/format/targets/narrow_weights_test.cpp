// SPDX-License-Identifier: Apache-2.0
// Directories of narrow floats: the values are elements times scales by the published layouts, whatever rows are asked for, and scales that
// do not belong to their weight are refused.
#include "format/targets/narrow_weights.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <limits>

#include "../temp_folder.h"
#include "codec/narrow_floats.h"
#include "format/safetensors.h"
#include "format/targets/bundle.h"
#include "format/targets/target.h"

namespace jang::format {
namespace {

constexpr std::int64_t kOut = 40, kIn = 64;

class NarrowWeights : public TempFolder {
 protected:
  void add(const std::string& name, DType dtype, const Shape& shape, const std::function<std::uint8_t(std::size_t)>& byte) {
    infos_.push_back({name, dtype, shape});
    std::string bytes(static_cast<std::size_t>(infos_.back().bytes()), '\0');
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(byte(i));
    payload_ += bytes;
  }
  void add_floats(const std::string& name, const Shape& shape, const std::vector<float>& values) {
    infos_.push_back({name, DType::f32, shape});
    payload_.append(reinterpret_cast<const char*>(values.data()), values.size() * 4);
  }
  Result<Bundle> open(const json::Value& config) {
    put("model.safetensors", make_safetensors_header(infos_, {{"format", "pt"}}) + payload_);
    json::Value whole = {{"model_type", "llama"}};
    whole.update(config);
    put("config.json", whole.dump());
    return open_bundle(root_.string());
  }
  void clear() {
    infos_.clear();
    payload_.clear();
  }
  // Elements of any pattern that is a number.
  static std::uint8_t element(std::size_t i) {
    const auto bits = static_cast<std::uint8_t>(i * 37 + i / 64);
    return (bits & 0x7f) == 0x7f ? 0x41 : bits;
  }
  static void expect_values(const Result<Bundle>& bundle, std::int64_t n_rows, std::int64_t n_columns,
                            const std::function<float(std::int64_t, std::int64_t)>& expected) {
    ASSERT_TRUE(bundle.ok()) << bundle.status().message();
    const Checkpoint& c = bundle->checkpoint;
    const int index = c.find("m.weight");
    ASSERT_GE(index, 0);
    const StoredTensor& t = c.tensors()[static_cast<std::size_t>(index)];
    ASSERT_EQ(t.info.dtype, DType::f32);
    ASSERT_EQ(elements(t.info.shape), n_rows * n_columns);
    std::vector<float> row(static_cast<std::size_t>(n_columns));
    for (std::int64_t r = 0; r < n_rows; ++r) {
      ASSERT_TRUE(c.read(t, static_cast<std::uint64_t>(r * n_columns * 4), std::as_writable_bytes(std::span(row))).ok());
      for (std::int64_t i = 0; i < n_columns; ++i) ASSERT_EQ(row[static_cast<std::size_t>(i)], expected(r, i)) << r << ", " << i;
    }
    EXPECT_FALSE(c.warnings().empty());
    EXPECT_EQ(json::find(c.config(), "quantization_config"), nullptr);
    EXPECT_EQ(c.find("m.input_scale"), -1);
  }

  std::vector<TensorInfo> infos_;
  std::string payload_;
};

std::vector<float> scales_of(std::int64_t n) {
  std::vector<float> scales;
  for (std::int64_t i = 0; i < n; ++i) scales.push_back(0.01f * static_cast<float>(i + 1));
  return scales;
}

TEST_F(NarrowWeights, float8_scales_are_for_all_for_rows_for_groups_and_for_blocks) {
  struct Case {
    const char* name;
    Shape shape;
    std::int64_t block_rows, block_columns;
  };
  const json::Value blocks = {{"quantization_config", {{"quant_method", "fp8"}, {"weight_block_size", {16, 24}}}}};
  const json::Value plain = {{"quantization_config", {{"quant_method", "compressed-tensors"}, {"format", "float-quantized"}}}};
  for (const Case& k :
       {Case{"m.weight_scale", {1}, kOut, kIn}, Case{"m.weight_scale", {}, kOut, kIn}, Case{"m.weight_scale", {kOut, 1}, 1, kIn},
        Case{"m.weight_scale", {kOut, 2}, 1, 32}, Case{"m.weight_scale_inv", {3, 3}, 16, 24}}) {
    SCOPED_TRACE(to_string(k.shape));
    clear();
    const std::vector<float> scales = scales_of(elements(k.shape));
    const std::int64_t per_row = (kIn + k.block_columns - 1) / k.block_columns;
    add("m.weight", DType::f8_e4m3, {kOut, kIn}, element);
    add_floats(k.name, k.shape, scales);
    add_floats("m.input_scale", {1}, {1.0f});
    expect_values(open(k.block_rows == 16 ? blocks : plain), kOut, kIn, [&](std::int64_t r, std::int64_t i) {
      return codec::e4m3_to_float(element(static_cast<std::size_t>(r * kIn + i))) *
             scales[static_cast<std::size_t>(r / k.block_rows * per_row + i / k.block_columns)];
    });
  }
}

TEST_F(NarrowWeights, mlx_modes_have_the_values_of_their_formats) {
  for (const auto& [mode, bits, group] : {std::tuple{"mxfp4", 4, 32}, {"mxfp8", 8, 32}, {"nvfp4", 4, 16}}) {
    SCOPED_TRACE(mode);
    clear();
    const bool is_nv = std::string_view(mode) == "nvfp4";
    const auto scale_bits = [is_nv](std::size_t i) { return static_cast<std::uint8_t>(is_nv ? 0x30 + i % 40 : 120 + i % 12); };
    // Two experts of half the rows: a stack of matrices.
    add("m.weight", DType::u32, {2, kOut / 2, kIn * bits / 32}, element);
    add("m.scales", DType::u8, {2, kOut / 2, kIn / group}, scale_bits);
    expect_values(open({{"quantization", {{"group_size", group}, {"bits", bits}, {"mode", mode}}}}), kOut, kIn,
                  [&](std::int64_t r, std::int64_t i) {
                    const auto at = static_cast<std::size_t>(r * kIn + i);
                    const std::uint8_t scale = scale_bits(at / static_cast<std::size_t>(group));
                    const float factor = is_nv ? codec::e4m3_to_float(scale) : codec::e8m0_to_float(scale);
                    if (bits == 8) return codec::e4m3_to_float(element(at)) * factor;
                    return codec::e2m1_to_float(static_cast<std::uint8_t>(element(at / 2) >> (at % 2 * 4) & 15)) * factor;
                  });
  }
}

// [E, out, in] under any name, with scales for every matrix or one for all.
TEST_F(NarrowWeights, float8_stacks_have_scales_of_every_matrix) {
  struct Case {
    Shape shape;
    std::int64_t block_rows, block_columns;
  };
  constexpr std::int64_t kEach = kOut / 2;
  const json::Value config = {{"quantization_config", {{"quant_method", "fp8"}, {"weight_block_size", {16, 24}}}}};
  for (const Case& k :
       {Case{{2}, kEach, kIn}, Case{{2, 1, 1}, kEach, kIn}, Case{{2, kEach, 1}, 1, kIn}, Case{{2, 2, 3}, 16, 24}, Case{{1}, kOut, kIn}}) {
    SCOPED_TRACE(to_string(k.shape));
    clear();
    const std::vector<float> scales = scales_of(elements(k.shape));
    add("m.weight", DType::f8_e5m2, {2, kEach, kIn}, [](std::size_t i) { return static_cast<std::uint8_t>(i * 37 % 120); });
    add_floats("m.weight_scale_inv", k.shape, scales);
    add_floats("m.activation_scale", {1}, {1.0f});
    const std::int64_t per_row = (kIn + k.block_columns - 1) / k.block_columns,
                       per_matrix = (kEach + k.block_rows - 1) / k.block_rows * per_row;
    expect_values(open(config), kOut, kIn, [&](std::int64_t r, std::int64_t i) {
      const std::int64_t matrix = k.block_rows == kOut ? 0 : r / kEach, row = r % kEach / k.block_rows;
      return codec::e5m2_to_float(static_cast<std::uint8_t>((r * kIn + i) * 37 % 120)) *
             scales[static_cast<std::size_t>(matrix * per_matrix + row * per_row + i / k.block_columns)];
    });
  }
  clear();
  add("m.weight", DType::f8_e4m3, {2, kOut / 2, kIn}, element);
  add_floats("m.weight_scale", {3, 1, 1}, scales_of(3));
  EXPECT_FALSE(open(config).ok());
}

// compressed-tensors: nvfp4 divides by the scale of all, mxfp4 has none; ModelOpt multiplies by it.
TEST_F(NarrowWeights, float4_pairs_have_the_values_of_their_formats) {
  struct Case {
    const char *codes, *global;
    int group;
  };
  for (const Case& k : {Case{"m.weight_packed", "m.weight_global_scale", 16}, Case{"m.weight", "m.weight_scale_2", 16},
                        Case{"m.weight_packed", nullptr, 32}}) {
    SCOPED_TRACE(k.codes);
    clear();
    const auto scale_bits = [&](std::size_t i) { return static_cast<std::uint8_t>(k.group == 16 ? 0x30 + i % 40 : 120 + i % 12); };
    add(k.codes, DType::u8, {kOut, kIn / 2}, element);
    add("m.weight_scale", k.group == 16 ? DType::f8_e4m3 : DType::u8, {kOut, kIn / k.group}, scale_bits);
    if (k.global != nullptr) add_floats(k.global, {1}, {1.7f});
    add_floats("m.input_scale", {1}, {1.0f});
    const bool divides = std::string_view(k.codes) == "m.weight_packed";
    const json::Value config = {{"quantization_config", {{"quant_method", "compressed-tensors"}}}};
    expect_values(open(config), kOut, kIn, [&](std::int64_t r, std::int64_t i) {
      const auto at = static_cast<std::size_t>(r * kIn + i);
      const std::uint8_t scale = scale_bits(at / static_cast<std::size_t>(k.group));
      float factor = k.group == 16 ? codec::e4m3_to_float(scale) : codec::e8m0_to_float(scale);
      if (k.global != nullptr) factor = divides ? factor / 1.7f : factor * 1.7f;
      return codec::e2m1_to_float(static_cast<std::uint8_t>(element(at / 2) >> (at % 2 * 4) & 15)) * factor;
    });
  }
}

TEST_F(NarrowWeights, blocks_of_gpt_oss_hold_gate_and_up_in_turns) {
  constexpr std::int64_t kE = 2, kRows = 6;
  const auto scale_bits = [](std::size_t i) { return static_cast<std::uint8_t>(120 + i % 12); };
  const std::string owner = "model.layers.0.mlp.experts.";
  add(owner + "gate_up_proj_blocks", DType::u8, {kE, kRows, 2, 16}, element);
  add(owner + "gate_up_proj_scales", DType::u8, {kE, kRows, 2}, scale_bits);
  add(owner + "down_proj_blocks", DType::u8, {kE, kRows, 2, 16}, element);
  add(owner + "down_proj_scales", DType::u8, {kE, kRows, 2}, scale_bits);
  const auto bundle = open({{"model_type", "gpt_oss"}, {"quantization_config", {{"quant_method", "mxfp4"}}}});
  ASSERT_TRUE(bundle.ok()) << bundle.status().message();
  const Checkpoint& c = bundle->checkpoint;
  EXPECT_EQ(c.tensors().size(), 3u);
  const auto expect_rows = [&](const std::string& leaf, std::int64_t n_rows, std::int64_t first, std::int64_t step) {
    const int index = c.find(owner + leaf);
    ASSERT_GE(index, 0) << leaf;
    const StoredTensor& t = c.tensors()[static_cast<std::size_t>(index)];
    EXPECT_EQ(t.info.shape, (Shape{kE, n_rows, 64})) << leaf;
    std::vector<float> values(static_cast<std::size_t>(elements(t.info.shape)));
    ASSERT_TRUE(c.read(t, 0, std::as_writable_bytes(std::span(values))).ok());
    for (std::size_t at = 0; at < values.size(); ++at) {
      const auto row = static_cast<std::size_t>(first + step * static_cast<std::int64_t>(at / 64)), i = at % 64;
      const std::uint8_t pair = element((row * 64 + i) / 2), bits = static_cast<std::uint8_t>(i % 2 == 0 ? pair & 15 : pair >> 4);
      ASSERT_EQ(values[at], codec::e2m1_to_float(bits) * codec::e8m0_to_float(scale_bits(row * 2 + i / 32))) << leaf << " " << at;
    }
  };
  expect_rows("gate_proj.weight", kRows / 2, 0, 2);
  expect_rows("up_proj.weight", kRows / 2, 1, 2);
  expect_rows("down_proj.weight", kRows, 0, 1);
}

// A directory may have affine modules beside those of other modes.
TEST_F(NarrowWeights, affine_modules_stay_packed_beside_narrow_ones) {
  add("a.biases", DType::f32, {kOut, 1}, [](std::size_t) { return 0; });
  add("a.scales", DType::f32, {kOut, 1}, [](std::size_t) { return 0; });
  add("a.weight", DType::u32, {kOut, kIn / 8}, element);
  add("m.weight", DType::u32, {kOut, kIn / 8}, element);
  add("m.scales", DType::u8, {kOut, 2}, [](std::size_t) { return 127; });
  const json::Value affine = {{"group_size", 64}, {"bits", 4}, {"mode", "affine"}};
  const auto bundle = open({{"quantization", {{"group_size", 32}, {"bits", 4}, {"mode", "mxfp4"}, {"a", affine}}}});
  ASSERT_TRUE(bundle.ok()) << bundle.status().message();
  ASSERT_EQ(bundle->modules.size(), 1u);
  EXPECT_EQ(bundle->modules.front().path, "a");
  EXPECT_EQ(bundle->plain.size(), 1u);
}

TEST_F(NarrowWeights, what_does_not_belong_together_is_refused) {
  const auto refused = [&](const json::Value& config, const std::string& word, StatusCode code = StatusCode::corrupt) {
    const auto bundle = open(config);
    ASSERT_FALSE(bundle.ok());
    EXPECT_EQ(bundle.status().code(), code) << bundle.status().message();
    EXPECT_NE(bundle.status().message().find(word), std::string::npos) << bundle.status().message();
  };
  const json::Value fp8 = {{"quantization_config", {{"quant_method", "fp8"}}}};
  for (const Shape& shape : {Shape{kOut}, Shape{2, 2}, Shape{kOut, 5}, Shape{1, 2, 1}, Shape{kOut + 1, 1}, Shape{0, 1}}) {
    if (shape == Shape{kOut}) continue;  // one a row
    SCOPED_TRACE(to_string(shape));
    clear();
    add("m.weight", DType::f8_e4m3, {kOut, kIn}, element);
    add_floats("m.weight_scale", shape, scales_of(elements(shape)));
    refused(fp8, "m.weight_scale");
  }
  clear();
  add("m.weight", DType::f8_e4m3, {kOut, kIn}, element);
  add("m.weight_scale", DType::i32, {1}, element);
  refused(fp8, "I32");
  const auto mode = [](const char* name) { return json::Value{{"quantization", {{"group_size", 32}, {"bits", 4}, {"mode", name}}}}; };
  clear();
  add("m.weight", DType::u32, {kOut, kIn / 8}, element);
  add("m.scales", DType::u8, {kOut, 3}, element);
  refused(mode("mxfp4"), "do not belong together");
  clear();
  add("m.scales", DType::u8, {kOut, 2}, element);
  refused(mode("mxfp4"), "without a weight");
  clear();
  add("m.weight", DType::u32, {kOut, kIn / 8}, element);
  add("m.scales", DType::u8, {kOut, 2}, element);
  refused(mode("fp3"), "fp3", StatusCode::unsupported);
  refused(json::Value{{"quantization", {{"mode", 4}}}}, "mode");
  const json::Value fp4 = {{"quantization_config", {{"quant_method", "compressed-tensors"}}}};
  const auto float4 = [&](const Shape& codes, const Shape& scales, const std::vector<float>& global) {
    clear();
    add("m.weight_packed", DType::u8, codes, element);
    add("m.weight_scale", DType::f8_e4m3, scales, element);
    if (!global.empty()) add_floats("m.weight_global_scale", {static_cast<std::int64_t>(global.size())}, global);
  };
  float4({kOut, kIn / 2}, {kOut, kIn / 16}, {});
  refused(fp4, "without weight_global_scale");
  float4({kOut, kIn / 2}, {kOut, kIn / 16}, {1.0f, 2.0f});
  refused(fp4, "one number");
  for (const float value : {0.0f, -1.0f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    float4({kOut, kIn / 2}, {kOut, kIn / 16}, {value});
    refused(fp4, "above 0");
  }
  float4({kOut, kIn / 2}, {kOut, 3}, {1.0f});
  refused(fp4, "does not belong");
  float4({kOut, 12}, {kOut, 1}, {1.0f});
  refused(fp4, "groups of 16");
  const json::Value mx = {{"quantization_config", {{"quant_method", "mxfp4"}}}};
  for (const auto& [blocks, scales] : {std::pair{Shape{2, 6, 2, 16}, Shape{2, 6, 3}},
                                       {Shape{2, 5, 2, 16}, Shape{2, 5, 2}},
                                       {Shape{2, 6, 2, 8}, Shape{2, 6, 2}},
                                       {Shape{0, 6, 2, 16}, Shape{0, 6, 2}}}) {
    clear();
    add("x.experts.gate_up_proj_blocks", DType::u8, blocks, element);
    add("x.experts.gate_up_proj_scales", DType::u8, scales, element);
    refused(mx, "do not belong together");
  }
}

}  // namespace
}  // namespace jang::format
