// SPDX-License-Identifier: Apache-2.0
// EXAONE 3 and 3.5: llama under GPT-2's names, of tensors and of numbers. transformers runs it by llama's class.
#include "arch/families/exaone.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention, blocks::kAttentionBiases, blocks::kDenseMlp, blocks::kMlpBiases,
                             blocks::kTwoNorms,  blocks::kHead};
constexpr std::string_view kTypes[] = {"exaone"};
constexpr Rename kParts[] = {
    {"transformer.h", "model.layers"},
    {"transformer.wte", "model.embed_tokens"},
    {"transformer.ln_f", "model.norm"},
    {"attn.attention", "self_attn"},
    {"self_attn.out_proj", "self_attn.o_proj"},
    {"mlp.c_fc_0", "mlp.gate_proj"},
    {"mlp.c_fc_1", "mlp.up_proj"},
    {"mlp.c_proj", "mlp.down_proj"},
    {"ln_1", "input_layernorm"},
    {"ln_2", "post_attention_layernorm"},
};
constexpr ConfigDefault kDefaults[] = {{"rope_theta", "500000.0"},
                                       {"max_position_embeddings", "4096"},
                                       {"num_key_value_heads", "8"},
                                       {"layer_norm_epsilon", "1e-05"},
                                       {"tie_word_embeddings", "false"}};

// Old names and new ones say the same; loaders read the old ones.
Status edit(json::Value* text) {
  for (const auto& [old_key, key] :
       {std::pair{"num_layers", "num_hidden_layers"}, {"layer_norm_epsilon", "rms_norm_eps"}, {"activation_function", "hidden_act"}}) {
    alias_key(text, old_key, key);
    alias_key(text, key, old_key);
  }
  add_defaults(kDefaults, text);
  alias_key(text, "layer_norm_epsilon", "rms_norm_eps");
  return flatten_rope(text);
}

}  // namespace

constinit const Family kExaone{
    .name = "exaone",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .parts = kParts,
    .defaults = kDefaults,
    .traits = {.norm_eps_key = "layer_norm_epsilon", .theta = 500'000, .max_positions = 4096},
    .edit = edit,
};

}  // namespace jang::arch
