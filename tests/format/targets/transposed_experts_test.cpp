// SPDX-License-Identifier: Apache-2.0
// Experts published the other way round: gate, up and down with the values of the file in the places of [E, out, in], whatever range of
// bytes is asked for, and everything else left as it is.
#include "format/targets/transposed_experts.h"

#include <gtest/gtest.h>

#include <cstring>

#include "../temp_folder.h"
#include "format/safetensors.h"
#include "format/targets/bundle.h"
#include "format/targets/target.h"

namespace jang::format {
namespace {

constexpr std::int64_t kExpertCount = 3, kHiddenSize = 8, kInnerSize = 5;

class TransposedExperts : public TempFolder {
 protected:
  // Value i of tensor k is 100 k + i.
  void add(const std::string& name, const Shape& shape) {
    infos_.push_back({name, DType::f32, shape});
    for (std::int64_t i = 0; i < elements(shape); ++i) {
      const auto value = static_cast<float>(100 * static_cast<std::int64_t>(infos_.size()) + i);
      payload_.append(reinterpret_cast<const char*>(&value), 4);
    }
  }
  Result<Bundle> open(const json::Value& config) {
    put("model.safetensors", make_safetensors_header(infos_, {{"format", "pt"}}) + payload_);
    put("config.json", config.dump());
    return open_bundle(root_.string());
  }
  static std::vector<float> read(const Checkpoint& c, const std::string& name, const Shape& shape) {
    const int index = c.find(name);
    EXPECT_GE(index, 0) << name;
    if (index < 0) return {};
    const StoredTensor& t = c.tensors()[static_cast<std::size_t>(index)];
    EXPECT_EQ(t.info.shape, shape) << name;
    std::vector<float> values(static_cast<std::size_t>(elements(t.info.shape)));
    EXPECT_TRUE(c.read(t, 0, std::as_writable_bytes(std::span(values))).ok());
    return values;
  }

  std::vector<TensorInfo> infos_;
  std::string payload_;
};

const json::Value kLlama4Config = {{"model_type", "llama4"}, {"text_config", {{"hidden_size", kHiddenSize}}}};

TEST_F(TransposedExperts, gate_and_up_lie_side_by_side_in_columns) {
  add("l.experts.gate_up_proj", {kExpertCount, kHiddenSize, 2 * kInnerSize});
  add("l.experts.down_proj", {kExpertCount, kInnerSize, kHiddenSize});
  add("l.router.weight", {kExpertCount, kHiddenSize});
  const auto bundle = open(kLlama4Config);
  ASSERT_TRUE(bundle.ok()) << bundle.status().message();
  const Checkpoint& c = bundle->checkpoint;
  EXPECT_EQ(c.tensors().size(), 4u);
  EXPECT_EQ(c.find("l.experts.gate_up_proj"), -1);
  const auto gate = read(c, "l.experts.gate_proj.weight", {kExpertCount, kInnerSize, kHiddenSize}),
             up = read(c, "l.experts.up_proj.weight", {kExpertCount, kInnerSize, kHiddenSize});
  const auto down = read(c, "l.experts.down_proj.weight", {kExpertCount, kHiddenSize, kInnerSize});
  std::size_t at = 0;
  for (std::int64_t e = 0; e < kExpertCount; ++e)
    for (std::int64_t o = 0; o < kInnerSize; ++o)
      for (std::int64_t i = 0; i < kHiddenSize; ++i, ++at) {
        ASSERT_EQ(gate[at], static_cast<float>(100 + (e * kHiddenSize + i) * 2 * kInnerSize + o));
        ASSERT_EQ(up[at], static_cast<float>(100 + (e * kHiddenSize + i) * 2 * kInnerSize + kInnerSize + o));
        ASSERT_EQ(down[static_cast<std::size_t>((e * kHiddenSize + i) * kInnerSize + o)],
                  static_cast<float>(200 + (e * kInnerSize + o) * kHiddenSize + i));
      }
}

TEST_F(TransposedExperts, columns_of_gpt_oss_take_turns_and_so_do_its_biases) {
  add("l.experts.gate_up_proj", {kExpertCount, kHiddenSize, 2 * kInnerSize});
  add("l.experts.gate_up_proj_bias", {kExpertCount, 2 * kInnerSize});
  add("l.experts.down_proj_bias", {kExpertCount, kHiddenSize});
  const auto bundle = open({{"model_type", "gpt_oss"}, {"hidden_size", kHiddenSize}});
  ASSERT_TRUE(bundle.ok()) << bundle.status().message();
  const Checkpoint& c = bundle->checkpoint;
  const auto gate = read(c, "l.experts.gate_proj.weight", {kExpertCount, kInnerSize, kHiddenSize}),
             up = read(c, "l.experts.up_proj.weight", {kExpertCount, kInnerSize, kHiddenSize});
  const auto gate_bias = read(c, "l.experts.gate_proj.bias", {kExpertCount, kInnerSize}),
             up_bias = read(c, "l.experts.up_proj.bias", {kExpertCount, kInnerSize});
  for (std::int64_t e = 0; e < kExpertCount; ++e)
    for (std::int64_t o = 0; o < kInnerSize; ++o) {
      ASSERT_EQ(gate_bias[static_cast<std::size_t>(e * kInnerSize + o)], static_cast<float>(200 + e * 2 * kInnerSize + 2 * o));
      ASSERT_EQ(up_bias[static_cast<std::size_t>(e * kInnerSize + o)], static_cast<float>(200 + e * 2 * kInnerSize + 2 * o + 1));
      for (std::int64_t i = 0; i < kHiddenSize; ++i) {
        const auto at = static_cast<std::size_t>((e * kInnerSize + o) * kHiddenSize + i);
        ASSERT_EQ(gate[at], static_cast<float>(100 + (e * kHiddenSize + i) * 2 * kInnerSize + 2 * o));
        ASSERT_EQ(up[at], static_cast<float>(100 + (e * kHiddenSize + i) * 2 * kInnerSize + 2 * o + 1));
      }
    }
  EXPECT_EQ(read(c, "l.experts.down_proj.bias", {kExpertCount, kHiddenSize}).front(), 300.0f);
}

TEST_F(TransposedExperts, any_range_of_bytes_is_that_of_the_whole) {
  add("l.experts.gate_up_proj", {kExpertCount, kHiddenSize, 2 * kInnerSize});
  const auto bundle = open(kLlama4Config);
  ASSERT_TRUE(bundle.ok()) << bundle.status().message();
  const Checkpoint& c = bundle->checkpoint;
  const StoredTensor& t = c.tensors()[static_cast<std::size_t>(c.find("l.experts.up_proj.weight"))];
  std::vector<std::byte> whole(static_cast<std::size_t>(t.info.bytes()));
  ASSERT_TRUE(c.read(t, 0, whole).ok());
  for (std::size_t begin = 0; begin < whole.size(); begin += 7)
    for (const std::size_t n : {std::size_t{0}, std::size_t{1}, std::size_t{33}, std::size_t{170}, whole.size() - begin}) {
      if (n > whole.size() - begin) continue;
      std::vector<std::byte> part(n);
      ASSERT_TRUE(c.read(t, begin, part).ok());
      ASSERT_EQ(std::memcmp(part.data(), whole.data() + begin, n), 0) << begin << " " << n;
    }
  EXPECT_EQ(t.made->file_bytes(), static_cast<std::uint64_t>(t.info.bytes()));
  EXPECT_TRUE(is_upright_expert(t));
}

// The ordinary form has hidden_size on the other side; where a tensor has it on both, its neighbour tells.
TEST_F(TransposedExperts, ordinary_form_and_other_types_are_left_alone) {
  const auto left_alone = [&](const Shape& pair, const Shape& down, const std::string& type) {
    infos_.clear();
    payload_.clear();
    add("l.experts.gate_up_proj", pair);
    add("l.experts.down_proj", down);
    const auto bundle = open({{"model_type", type}, {"hidden_size", kHiddenSize}});
    EXPECT_TRUE(bundle.ok()) << bundle.status().message();
    return bundle.ok() && bundle->checkpoint.find("l.experts.gate_up_proj") >= 0 && bundle->checkpoint.find("l.experts.down_proj") >= 0;
  };
  EXPECT_TRUE(left_alone({kExpertCount, 2 * kInnerSize, kHiddenSize}, {kExpertCount, kHiddenSize, kInnerSize}, "qwen3_vl_moe"));
  EXPECT_TRUE(left_alone({kExpertCount, kHiddenSize, kHiddenSize}, {kExpertCount, kHiddenSize, kHiddenSize / 2}, "qwen3_vl_moe"));
  EXPECT_FALSE(left_alone({kExpertCount, kHiddenSize, kHiddenSize}, {kExpertCount, kHiddenSize / 2, kHiddenSize}, "qwen3_vl_moe"));
  EXPECT_TRUE(left_alone({kExpertCount, kHiddenSize, 2 * kInnerSize}, {kExpertCount, kInnerSize, kHiddenSize}, "qwen3_5_moe"));
  EXPECT_TRUE(left_alone({kExpertCount, 7, 9}, {kExpertCount, 9, 7}, "llama4"));
  EXPECT_TRUE(left_alone({kHiddenSize, kHiddenSize}, {kExpertCount}, "llama4"));
}

TEST_F(TransposedExperts, odd_or_empty_pairs_are_corrupt) {
  for (const Shape& shape : {Shape{kExpertCount, kHiddenSize, 7}, Shape{0, kHiddenSize, 4}, Shape{kExpertCount, kHiddenSize, 0}}) {
    infos_.clear();
    payload_.clear();
    add("l.experts.gate_up_proj", shape);
    const auto bundle = open(kLlama4Config);
    ASSERT_FALSE(bundle.ok()) << to_string(shape);
    EXPECT_EQ(bundle.status().code(), StatusCode::corrupt);
    EXPECT_NE(bundle.status().message().find("l.experts.gate_up_proj"), std::string::npos);
  }
}

}  // namespace
}  // namespace jang::format
