// SPDX-License-Identifier: Apache-2.0
// ERNIE 4.5 dense: llama that rotates pairs of neighbours; one switch for all biases.
#include "arch/families/ernie4_5.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention, blocks::kAttentionBiases, blocks::kDenseMlp, blocks::kMlpBiases,
                             blocks::kTwoNorms,  blocks::kHead};
constexpr std::string_view kTypes[] = {"ernie4_5"};
constexpr ConfigDefault kDefaults[] = {{"rms_norm_eps", "1e-05"},  {"tie_word_embeddings", "true"},
                                       {"rope_theta", "500000.0"}, {"max_position_embeddings", "131072"},
                                       {"head_dim", "128"},        {"num_key_value_heads", "2"}};

Status edit(json::Value* text) {
  if (json::find(*text, "use_bias") == nullptr) (*text)["use_bias"] = false;
  const json::Value biased = (*text)["use_bias"];  // the only switch that the class reads
  (*text)["attention_bias"] = biased;
  (*text)["mlp_bias"] = biased;
  return flatten_rope(text);
}

}  // namespace

constinit const Family kErnie45{
    .name = "ernie4_5",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .traits = {.interleaved_rope = true, .theta = 500'000, .max_positions = 131072},
    .edit = edit,
};

}  // namespace jang::arch
