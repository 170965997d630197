// SPDX-License-Identifier: Apache-2.0
// A model type nobody listed. Roles come from common component names; names, shapes and values stay as the source has them. What no rule
// knows is said, a bounded number of times.
#include "arch/generic.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <tuple>

#include "arch/bind.h"
#include "arch/config_edit.h"
#include "arch/extras.h"
#include "arch/family.h"
#include "arch/generic_rules.h"
#include "arch/geometry.h"
#include "arch/path.h"
#include "arch/role.h"

namespace jang::arch {
namespace {

constexpr std::size_t kMaxUnknownWarnings = 12;

// Embedding, layers, last norm, head.
int section_of(const OutTensor& t) {
  if (t.role == Role::embedding || t.role == Role::tied_embedding) return 0;
  if (t.layer >= 0) return 1;
  return t.role == Role::lm_head ? 3 : 2;
}

// Role order is attention, MLP, experts, norms, so that layers read alike whatever the family.
auto sort_key(const OutTensor& t) { return std::make_tuple(section_of(t), t.layer, static_cast<int>(t.role), std::string_view(t.name)); }

void warn_unknown(const std::vector<OutTensor>& tensors, Model* model) {
  std::size_t n = 0;
  for (const OutTensor& t : tensors) {
    if (t.role != Role::unknown) continue;
    if (++n <= kMaxUnknownWarnings)
      model->warnings.push_back(fmt::format("tensor '{}' {}: no rule knows this name", t.name, jang::to_string(t.shape)));
  }
  if (n > kMaxUnknownWarnings) model->warnings.push_back(fmt::format("and {} more tensors that no rule knows", n - kMaxUnknownWarnings));
}

std::string_view kind(const std::vector<OutTensor>& tensors, bool moe) {
  const bool recurrent = std::any_of(tensors.begin(), tensors.end(), [](const OutTensor& t) {
    return t.role == Role::linear_attn_qkv || t.role == Role::conv || (t.role == Role::state && ends_with_path(t.name, "A_log"));
  });
  if (recurrent) return moe ? "hybrid_moe_ssm" : "hybrid_ssm";
  return moe ? "moe" : "dense";
}

// GPT-2's Conv1D keeps [in, out]: packing such a matrix along its last axis would group the wrong way round.
bool has_transposed_linears(std::span<const TensorInfo> sources) {
  return std::any_of(sources.begin(), sources.end(), [](const TensorInfo& t) {
    return t.shape.size() == 2 && ends_with_path(t.name, "c_attn.weight") && t.shape[0] < t.shape[1];
  });
}

bool is_transposed_name(const std::vector<std::string_view>& path) {
  constexpr std::string_view kNames[] = {"c_attn", "c_proj", "c_fc"};
  return path.size() > 1 && std::ranges::find(kNames, path[path.size() - 2]) != std::end(kNames);
}

// Experts of one projection share a decision: the expert number is left out of the unit.
std::string unit_of(const std::vector<std::string_view>& path, const std::string& module) {
  const int expert = expert_component(path);
  if (expert < 0) return module;
  std::string unit;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (i + 1 == path.size() && path[i] == "weight") break;
    unit += (unit.empty() ? "" : ".") + std::string(static_cast<int>(i) == expert ? "*" : path[i]);
  }
  return unit;
}

// Every source tensor under its own name, buffers left out.
Result<std::vector<OutTensor>> name_tensors(std::span<const TensorInfo> sources, Model* model) {
  const bool transposed = has_transposed_linears(sources);
  if (transposed) model->warnings.emplace_back("c_attn, c_proj and c_fc are stored [in, out] and are kept as they are, not quantized");
  std::vector<OutTensor> tensors;
  std::set<std::string> seen;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    TensorInfo t = sources[i];
    if (t.standing == Standing::stray) continue;  // nobody can tell whether the model lacks it
    t.name = unwrapped(t.name);
    if (const std::string_view reason = buffer_reason(t); !reason.empty()) {
      model->dropped.push_back({sources[i].name, std::string(reason)});
      continue;
    }
    if (!seen.insert(t.name).second) return Status(StatusCode::corrupt, fmt::format("tensor '{}' occurs twice", t.name));
    const auto path = split_path(t.name);
    OutTensor out = describe_by_name(t, static_cast<int>(i), path);
    if (transposed && is_transposed_name(path)) out.quantizable = false;
    count_in(out, model);
    tensors.push_back(std::move(out));
  }
  return tensors;
}

}  // namespace

Result<std::int64_t> first_number(const json::Value& config, std::span<const char* const> keys, std::int64_t hi) {
  for (const json::Value* place : {&text_config(config), &config})
    for (const char* key : keys)
      if (json::find(*place, key) != nullptr) return json::get_int(*place, key, 0, 0, hi);
  return std::int64_t{0};
}

Status read_summary(const json::Value& config, Model* model) {
  const auto number = [&](std::initializer_list<const char*> keys, std::int64_t hi) {
    return first_number(config, std::span(keys.begin(), keys.size()), hi);
  };
  JANG_ASSIGN(const std::int64_t n_layers, number({"num_hidden_layers", "n_layer", "n_layers", "num_layers"}, kMaxLayers));
  JANG_ASSIGN(const std::int64_t n_experts,
              number({"num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"}, kMaxExperts));
  JANG_ASSIGN(const std::int64_t heads, number({"num_attention_heads", "n_head", "n_heads"}, 1 << 20));
  JANG_ASSIGN(const std::int64_t kv_heads, number({"num_key_value_heads", "num_kv_heads"}, 1 << 20));
  JANG_ASSIGN(const std::int64_t lora, number({"kv_lora_rank"}, 1 << 20));
  model->n_layers = static_cast<int>(n_layers);
  model->n_experts = static_cast<int>(n_experts);
  model->attention = lora > 0 ? "mla" : heads > 0 ? attention_kind(heads, kv_heads > 0 ? kv_heads : heads) : "none";
  return {};
}

Result<bool> tie_flag(const json::Value& config) {
  JANG_ASSIGN(const bool text_tie, json::get_bool(text_config(config), "tie_word_embeddings", false));
  JANG_ASSIGN(const bool top_tie, json::get_bool(config, "tie_word_embeddings", false));
  return text_tie || top_tie;
}

OutTensor describe_by_name(const TensorInfo& t, int index, const std::vector<std::string_view>& path) {
  const GenericMatch match = match_generic(path, t.shape.size());
  OutTensor out;
  out.name = t.name;
  out.module = out.canonical = module_of(t.name);
  out.shape = t.shape;
  out.source_dtype = t.dtype;
  out.role = match.role;
  out.rule = match.leaf.empty() ? "generic: no rule" : fmt::format("generic: *.{}", match.leaf);
  out.layer = match.role == Role::vision ? -1 : layer_of(path);
  out.unit = unit_of(path, out.module);
  out.keep_dtype = match.role == Role::state || path.back() == "e_score_correction_bias";
  out.pieces = {{index, 0, rows(t.shape)}};
  const bool is_matrix = (t.shape.size() == 2 || t.shape.size() == 3) && elements(t.shape) > 0 && info(t.dtype).is_float;
  out.quantizable =
      is_matrix && is_quantizable(match.role) && path.back() == "weight" && (t.shape.size() == 2 || expert_component(path) < 0);
  return out;
}

void count_in(const OutTensor& t, Model* model) {
  model->has_vision = model->has_vision || t.role == Role::vision;
  model->n_layers = std::clamp(t.layer + 1, model->n_layers, std::max(model->n_layers, kMaxLayers));
}

Ends find_ends(const std::vector<OutTensor>& tensors, bool flag, const SourceFacts& facts) {
  const auto has = [&](Role role) { return std::ranges::any_of(tensors, [&](const OutTensor& t) { return t.role == role; }); };
  Ends ends{has(Role::lm_head), has(Role::embedding), false};
  ends.own_head = flag && ends.has_head && ends.has_embedding && facts.head_differs;
  return ends;
}

void settle_tie(const Ends& ends, bool tied, std::vector<OutTensor>* tensors, Model* model) {
  if (ends.own_head) model->warnings.emplace_back(kOwnHeadWarning);
  model->tied = !ends.own_head && tied;
  if (!model->tied) return;
  if (ends.has_head && ends.has_embedding) {
    for (const OutTensor& t : *tensors)
      if (t.role == Role::lm_head) model->dropped.push_back({t.name, "tied: the embedding serves as output head"});
    std::erase_if(*tensors, [](const OutTensor& t) { return t.role == Role::lm_head; });
  }
  for (OutTensor& t : *tensors)
    if (t.role == Role::lm_head || t.role == Role::embedding) t.role = Role::tied_embedding;
}

void finish_generic(std::vector<OutTensor> tensors, Model* model) {
  std::sort(tensors.begin(), tensors.end(), [](const OutTensor& a, const OutTensor& b) { return sort_key(a) < sort_key(b); });
  warn_unknown(tensors, model);
  model->tensors = std::move(tensors);
  model->architecture_kind = kind(model->tensors, model->n_experts > 0);
}

std::optional<DoubtfulTie> doubtful_generic_tie(const json::Value& config, std::span<const TensorInfo> sources) {
  const auto flag = tie_flag(config);
  if (!flag.ok() || !*flag) return std::nullopt;
  int embedding = -1, head = -1;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const Role role = match_generic(split_path(sources[i].name), sources[i].shape.size()).role;
    if (role == Role::embedding) embedding = static_cast<int>(i);
    if (role == Role::lm_head) head = static_cast<int>(i);
  }
  return embedding >= 0 && head >= 0 ? std::optional<DoubtfulTie>({embedding, head}) : std::nullopt;
}

Result<Model> describe_generic(const json::Value& config, std::string_view model_type, std::span<const TensorInfo> sources,
                               const SourceFacts& facts) {
  Model model;
  model.family = kGenericFamily;
  model.model_type = model_type;
  model.config = config;
  JANG_TRY(read_summary(config, &model));
  model.warnings.push_back(
      fmt::format("model type '{}' is not one of the listed families: names and layouts are kept as in the source, roles come "
                  "from common names",
                  model_type));
  JANG_ASSIGN(const bool flag, tie_flag(config));
  JANG_ASSIGN(std::vector<OutTensor> tensors, name_tensors(sources, &model));
  const Ends ends = find_ends(tensors, flag, facts);
  settle_tie(ends, flag || ends.has_head != ends.has_embedding, &tensors, &model);
  finish_generic(std::move(tensors), &model);
  return model;
}

}  // namespace jang::arch
