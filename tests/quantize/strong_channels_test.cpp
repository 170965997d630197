// SPDX-License-Identifier: Apache-2.0
// Strong channels are found by the gains of norms in front of maps, offsets included, and nowhere else.
#include "quantize/strong_channels.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "format/safetensors.h"

namespace jang::quantize {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kWidth = 64;

class StrongChannels : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() / ("jang_channels_" + std::to_string(::getpid()));
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }

  // A model of one layer whose norms are all `gain` but for channel 3 of `norm`, which is `strong`.
  void write_model(const char* type, const char* architecture, std::vector<std::string> norms, float gain, const std::string& norm,
                   float strong) {
    const json::Value config = {
        {"model_type", type},          {"architectures", {architecture}}, {"vocab_size", 100},        {"hidden_size", kWidth},
        {"intermediate_size", kWidth}, {"num_hidden_layers", 1},          {"num_attention_heads", 1}, {"num_key_value_heads", 1},
        {"head_dim", kWidth},          {"tie_word_embeddings", true},     {"rms_norm_eps", 1e-5},     {"torch_dtype", "float32"},
        {"query_pre_attn_scalar", 64}};
    std::ofstream(dir_ / "config.json") << json::dump(config);
    std::vector<TensorInfo> infos = {{"model.embed_tokens.weight", DType::f32, {100, kWidth}}};
    norms.emplace_back("model.norm");
    for (const std::string& name : norms) infos.push_back({name + ".weight", DType::f32, {kWidth}});
    for (const char* map :
         {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"})
      infos.push_back({"model.layers.0." + std::string(map) + ".weight", DType::f32, {kWidth, kWidth}});
    std::string bytes = format::make_safetensors_header(infos, {});
    for (const TensorInfo& t : infos) {
      std::vector<float> values(static_cast<std::size_t>(elements(t.shape)), gain);
      if (t.name == norm + ".weight") values[3] = strong;
      bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
    }
    std::ofstream(dir_ / "model.safetensors", std::ios::binary) << bytes;
  }
  std::optional<StrongChannel> found() const {
    const auto source = open_source(dir_.string());
    EXPECT_TRUE(source.ok()) << source.status().message();
    if (!source.ok()) return {};
    const auto channel = strongest_channel(*source);
    EXPECT_TRUE(channel.ok()) << channel.status().message();
    return channel.ok() ? *channel : std::nullopt;
  }
  void write_llama(const std::string& norm, float strong) {
    write_model("llama", "LlamaForCausalLM", {"model.layers.0.input_layernorm", "model.layers.0.post_attention_layernorm"}, 0.5f, norm,
                strong);
  }
  void write_gemma(const std::string& norm, float strong) {
    const std::string layer = "model.layers.0.";
    write_model("gemma3_text", "Gemma3ForCausalLM",
                {layer + "input_layernorm", layer + "post_attention_layernorm", layer + "pre_feedforward_layernorm",
                 layer + "post_feedforward_layernorm", layer + "self_attn.q_norm", layer + "self_attn.k_norm"},
                0.0f, norm, strong);
  }
  fs::path dir_;
};

TEST_F(StrongChannels, even_gains_have_none) {
  write_llama("", 0);
  EXPECT_FALSE(found());
  write_llama("model.norm", 1.5f);  // nine times as strong as the others
  EXPECT_FALSE(found());
}

TEST_F(StrongChannels, the_ratio_is_of_squared_gains) {
  write_llama("model.layers.0.input_layernorm", 5);
  const auto channel = found();
  ASSERT_TRUE(channel);
  EXPECT_EQ(channel->norm, "model.layers.0.input_layernorm.weight");
  EXPECT_NEAR(channel->ratio, 25.0 * 64 / (25 + 63 * 0.25), 1e-6);
}

// A gain of 9 over 1, which is stored as 8 over 0.
TEST_F(StrongChannels, the_offset_of_the_family_counts) {
  write_gemma("model.layers.0.pre_feedforward_layernorm", 8);
  const auto channel = found();
  ASSERT_TRUE(channel);
  EXPECT_EQ(channel->norm, "model.layers.0.pre_feedforward_layernorm.weight");
  EXPECT_NEAR(channel->ratio, 81.0 * 64 / (81 + 63), 1e-6);
}

TEST_F(StrongChannels, norms_behind_maps_do_not_count) {
  for (const char* norm : {"post_attention_layernorm", "post_feedforward_layernorm", "self_attn.q_norm"}) {
    write_gemma("model.layers.0." + std::string(norm), 20);
    EXPECT_FALSE(found()) << norm;
  }
}

}  // namespace
}  // namespace jang::quantize
