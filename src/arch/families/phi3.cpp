// SPDX-License-Identifier: Apache-2.0
// Phi-3, Phi-3.5, Phi-4 (also mini): one map for queries, keys and values, one for gate and up; part of a head may be rotated. The long
// variants have RoPE type longrope, which first releases called "su" and "yarn".
#include "arch/families/phi3.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kFusedAttention, blocks::kFusedMlp, blocks::kTwoNorms, blocks::kHead};
constexpr std::string_view kTypes[] = {"phi3"};
constexpr ConfigDefault kDefaults[] = {{"rms_norm_eps", "1e-05"},
                                       {"rope_theta", "10000.0"},
                                       {"max_position_embeddings", "4096"},
                                       {"original_max_position_embeddings", "4096"},
                                       {"partial_rotary_factor", "1.0"}};

// The loader's class reads the old places: "type" inside rope_scaling, the rotated part at the top.
Status edit(json::Value* text) {
  for (const char* place : {"rope_scaling", "rope_parameters"}) {
    if (json::find(*text, place) == nullptr || !(*text)[place].is_object()) continue;
    json::Value& rope = (*text)[place];
    for (const char* key : {"rope_type", "type"})
      if (const json::Value* type = json::find(rope, key); type != nullptr && (*type == "su" || *type == "yarn")) rope[key] = "longrope";
  }
  if (!text->contains("sliding_window")) (*text)["sliding_window"] = nullptr;  // absent: none
  JANG_TRY(flatten_rope(text));
  lift_partial_rotary(text);
  const json::Value* scaling = json::find(*text, "rope_scaling");
  if (scaling == nullptr || !scaling->is_object()) return {};
  if (json::find(*scaling, "rope_type") == nullptr) return {};
  const json::Value type = (*scaling)["rope_type"];
  if (type == "default")
    text->erase("rope_scaling");  // it says nothing, and the class would look for factors in it
  else
    (*text)["rope_scaling"]["type"] = type;
  return {};
}

}  // namespace

constinit const Family kPhi3{
    .name = "phi3",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .traits =
        {.qkv = QkvMaps::stacked, .fused_mlp = true, .reads_partial_rotary = true, .window = WindowRule::always, .max_positions = 4096},
    .edit = edit,
};

}  // namespace jang::arch
