// SPDX-License-Identifier: Apache-2.0
// MiMo 7B: Qwen2 beside layers that predict more tokens, which the decoder has not.
#include "arch/families/mimo.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention, blocks::kQkvBiases,
                             blocks::kDenseMlp,  blocks::kTwoNorms,  blocks::kHead};
constexpr std::string_view kTypes[] = {"mimo"};
constexpr std::string_view kSwitches[] = {"use_sliding_window"};
constexpr Drop kDrops[] = {{"model.mtp_layers", "", "multi-token-prediction layers: the decoder has none"}};
constexpr ConfigDefault kDefaults[] = {
    {"rms_norm_eps", "1e-06"}, {"rope_theta", "10000.0"}, {"max_position_embeddings", "32768"}, {"tie_word_embeddings", "false"}};

Status edit(json::Value* text) {
  (*text)["attention_bias"] = true;  // there is no switch
  return flatten_rope(text);
}

}  // namespace

constinit const Family kMimo{
    .name = "mimo",
    .model_types = kTypes,
    .unlisted_switches = kSwitches,
    .blocks = kBlocks,
    .drops = kDrops,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .edit = edit,
};

}  // namespace jang::arch
