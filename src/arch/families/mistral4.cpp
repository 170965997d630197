// SPDX-License-Identifier: Apache-2.0
// Mistral 4 (Mistral Small 4): the latent attention of DeepSeek-V3 with the queries of Ministral 3; experts chosen by softmax, from groups
// by their two best where there are any, weights that sum to one; shared experts without a gate. It is published in the wrapper of
// Mistral 3.
#include "arch/families/mistral4.h"

#include "arch/config_edit.h"
#include "arch/decoder_config.h"
#include "arch/families/deepseek_moe.h"
#include "arch/families/ministral3.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding, deepseek_moe::kLatentAttention,
                             blocks::kRoutedMlp, deepseek_moe::kSharedExperts,
                             blocks::kDenseMlp,  blocks::kTwoNorms,
                             blocks::kHead};
constexpr std::string_view kTypes[] = {"mistral4"}, kWrapper[] = {"mistral3"};
constexpr Rename kWrapped[] = {{"model.language_model.", "model."}, {"language_model.", ""}};
constexpr std::string_view kTowers[] = {"vision_tower", "model.vision_tower", "multi_modal_projector", "model.multi_modal_projector"};
constexpr ConfigDefault kDefaults[] = {{"norm_topk_prob", "true"},    {"n_group", "1"},          {"topk_group", "1"},
                                       {"num_experts_per_tok", "4"},  {"rms_norm_eps", "1e-06"}, {"max_position_embeddings", "1048576"},
                                       {"attention_bias", "false"},   {"n_shared_experts", "1"}, {"routed_scaling_factor", "1.0"},
                                       {"rope_interleave", "true"},   {"q_lora_rank", "1024"},   {"tie_word_embeddings", "false"},
                                       {"first_k_dense_replace", "0"}};

Status edit(json::Value* text) {
  const json::Value* ranked = json::find(*text, "q_lora_rank");
  if (ranked == nullptr && text->contains("q_lora_rank")) (*text)["q_lora_rank"] = 0;  // null: queries of one map
  add_defaults(kDefaults, text);
  JANG_TRY(ministral3::edit_rope({{"rope_type", "yarn"},
                                  {"type", "yarn"},
                                  {"rope_theta", 1e4},
                                  {"factor", 128.0},
                                  {"original_max_position_embeddings", 8192},
                                  {"beta_fast", 32.0},
                                  {"beta_slow", 1.0},
                                  {"mscale_all_dim", 1.0},
                                  {"mscale", 1.0},
                                  {"llama_4_scaling_beta", 0.1}},
                                 text));
  return deepseek_moe::edit(text);
}

Status specify(const json::Value& text, DecoderConfig* config) {
  JANG_ASSIGN(const QueryScale scale, ministral3::query_scale(text));
  JANG_TRY(deepseek_moe::specify(text, config));
  for (LayerSpec& layer : config->layers) {
    std::get<LatentSpec>(layer.mixer).query_scale = scale;
    auto* experts = std::get_if<ExpertsSpec>(&layer.ffn);
    if (experts == nullptr) continue;
    experts->scoring = Scoring::softmax;
    experts->correction_bias = false;
  }
  return {};
}

}  // namespace

constinit const Family kMistral4{
    .name = "mistral4",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .reads = deepseek_moe::kReads | kReadsLatent,
    .foreign = "embed_q",  // kv_b_proj cut into heads, the part of keys transposed
    .traits = {.max_positions = 1048576},
    .edit = edit,
    .specify = specify,
};

constinit const Family kMistral3OfMistral4{
    .name = "mistral3_of_mistral4",
    .model_types = kWrapper,
    .text_types = kTypes,
    .blocks = kBlocks,
    .towers = kTowers,
    .prefixes = kWrapped,
    .defaults = kDefaults,
    .reads = deepseek_moe::kReads | kReadsLatent,
    .text_config = true,
    .foreign = "embed_q",
    .traits = {.max_positions = 1048576},
    .edit = edit,
    .specify = specify,
};

}  // namespace jang::arch
