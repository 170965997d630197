// SPDX-License-Identifier: Apache-2.0
// The explicit table of families. A new family is a file of its own in families/, its header, and its line here;
// HACKING.md says what else it needs.
#include "arch/registry.h"

#include <algorithm>
#include <iterator>

#include "arch/families/bailing_moe.h"
#include "arch/families/cohere.h"
#include "arch/families/cohere2.h"
#include "arch/families/deepseek_v2.h"
#include "arch/families/deepseek_v3.h"
#include "arch/families/dots1.h"
#include "arch/families/ernie4_5.h"
#include "arch/families/ernie4_5_moe.h"
#include "arch/families/exaone.h"
#include "arch/families/exaone4.h"
#include "arch/families/exaone_moe.h"
#include "arch/families/gemma.h"
#include "arch/families/gemma2.h"
#include "arch/families/gemma3_text.h"
#include "arch/families/gemma4.h"
#include "arch/families/glm4.h"
#include "arch/families/glm4_moe.h"
#include "arch/families/glm4_moe_lite.h"
#include "arch/families/gpt_neox.h"
#include "arch/families/gpt_oss.h"
#include "arch/families/granite.h"
#include "arch/families/granitemoe.h"
#include "arch/families/granitemoehybrid.h"
#include "arch/families/helium.h"
#include "arch/families/hunyuan_v1_dense.h"
#include "arch/families/internlm2.h"
#include "arch/families/internlm3.h"
#include "arch/families/lfm2.h"
#include "arch/families/lfm2_moe.h"
#include "arch/families/llama.h"
#include "arch/families/llama4.h"
#include "arch/families/mamba2.h"
#include "arch/families/mimo.h"
#include "arch/families/minicpm.h"
#include "arch/families/minimax_m2.h"
#include "arch/families/ministral3.h"
#include "arch/families/mistral.h"
#include "arch/families/mistral3.h"
#include "arch/families/mistral4.h"
#include "arch/families/mixtral.h"
#include "arch/families/nemotron.h"
#include "arch/families/nemotron_h.h"
#include "arch/families/olmo2.h"
#include "arch/families/olmo3.h"
#include "arch/families/olmoe.h"
#include "arch/families/phi.h"
#include "arch/families/phi3.h"
#include "arch/families/qwen2.h"
#include "arch/families/qwen2_moe.h"
#include "arch/families/qwen3.h"
#include "arch/families/qwen3_5.h"
#include "arch/families/qwen3_5_moe.h"
#include "arch/families/qwen3_moe.h"
#include "arch/families/qwen3_next.h"
#include "arch/families/qwen3_vl.h"
#include "arch/families/seed_oss.h"
#include "arch/families/smollm3.h"
#include "arch/families/solar_open.h"
#include "arch/families/stablelm.h"
#include "arch/families/starcoder2.h"

namespace jang::arch {
namespace {

constexpr const Family* kFamilies[] = {
    &kLlama,       &kMistral,    &kQwen2,      &kQwen3,        &kQwen3Moe,         &kGemma3Text, &kGemma3,
    &kQwen35,      &kQwen35Moe,  &kQwen3Next,  &kQwen3Vl,      &kQwen3VlMoe,       &kMistral3,   &kMixtral,
    &kQwen2Moe,    &kOlmoe,      &kGlm4Moe,    &kMinimaxM2,    &kDeepseekV2,       &kDeepseekV3, &kPhi3,
    &kGemma,       &kGemma2,     &kOlmo2,      &kOlmo3,        &kGranite,          &kSmolLm3,    &kSeedOss,
    &kCohere2,     &kExaone4,    &kGlm4,       &kHunyuanDense, &kErnie45,          &kStarcoder2, &kGptNeoX,
    &kGptOss,      &kGraniteMoe, &kErnie45Moe, &kDots1,        &kExaoneMoe,        &kStableLm,   &kInternLm3,
    &kHelium,      &kNemotron,   &kPhi,        &kLfm2,         &kMinistral3,       &kMistral4,   &kMistral3OfMistral4,
    &kGlm4MoeLite, &kLfm2Moe,    &kBailingMoe, &kLlama4,       &kKimiK25,          &kSolarOpen,  &kCohere,
    &kExaone,      &kInternLm2,  &kMimo,       &kNemotronH,    &kGraniteMoeHybrid, &kMamba2,     &kGemma4Text,
    &kGemma4,      &kMiniCpm,
};

bool names(std::span<const std::string_view> types, std::string_view type) { return std::ranges::find(types, type) != types.end(); }

// What is no boolean may mean anything.
bool may_be_on(const json::Value& config, std::string_view key) {
  const json::Value* value = json::find(config, std::string(key).c_str());
  return value != nullptr && *value != false;
}

}  // namespace

const Family* find_family(std::string_view model_type) {
  for (const Family* family : kFamilies)
    if (names(family->model_types, model_type)) return family;
  return nullptr;
}

const Family* family_of(const json::Value& config) {
  if (!config.is_object()) return nullptr;
  const auto model_type = json::get_string(config, "model_type", "");
  const json::Value* text = json::find(config, "text_config");
  const auto text_type = text != nullptr && text->is_object() ? json::get_string(*text, "model_type", "") : Result<std::string>("");
  if (!model_type.ok() || !text_type.ok()) return nullptr;
  const auto is_of = [&](const Family* f) {
    return names(f->model_types, *model_type) && (f->text_types.empty() || names(f->text_types, *text_type));
  };
  const auto family = std::ranges::find_if(kFamilies, is_of);
  if (family == std::end(kFamilies)) return nullptr;
  const auto switched = [&](std::string_view key) { return may_be_on(config, key); };
  return std::ranges::any_of((*family)->unlisted_switches, switched) ? nullptr : *family;
}

std::vector<std::string_view> families() {
  std::vector<std::string_view> names;
  for (const Family* family : kFamilies) names.push_back(family->name);
  return names;
}

}  // namespace jang::arch
