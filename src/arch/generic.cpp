// SPDX-License-Identifier: Apache-2.0
// A model type nobody listed. Roles come from common component names, values stay as the source has them. Names and shapes stay too, but
// where the type's class in mlx-lm renames, stacks or cuts unpacked tensors as it loads: those take the form the class keeps them in
// (mlx_table.h), and what it transforms in other ways is not packed. What stock mlx-lm would not open is said in Model::refusal. What no
// rule knows is said, a bounded number of times.
#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "arch/config_edit.h"
#include "arch/family.h"
#include "arch/generic_rules.h"
#include "arch/mlx_fit.h"
#include "arch/mlx_table.h"
#include "arch/path.h"
#include "arch/placement.h"

namespace jang::arch {
namespace {

constexpr std::size_t kMaxUnknownWarnings = 12;

struct Sorted {
  int section = 0;  // embedding, layers, last norm, head
  OutTensor tensor;
};

const json::Value& text_of(const json::Value& config) {
  const json::Value* text = json::find(config, "text_config");
  return text && text->is_object() ? *text : config;
}

// First of several spellings of a number, from text_config or the top; 0 when there is none. Wrong types are the file's fault.
Result<std::int64_t> first_number(const json::Value& config, std::initializer_list<const char*> keys, std::int64_t hi) {
  for (const json::Value* place : {&text_of(config), &config})
    for (const char* key : keys)
      if (json::find(*place, key) != nullptr) return json::get_int(*place, key, 0, 0, hi);
  return std::int64_t{0};
}

int section_of(const OutTensor& t) {
  if (t.role == Role::embedding || t.role == Role::tied_embedding) return 0;
  if (t.layer >= 0) return 1;
  return t.role == Role::lm_head ? 3 : 2;
}

// Role order is attention, MLP, experts, norms, so that layers read alike whatever the family.
auto sort_key(const Sorted& s) {
  return std::make_tuple(s.section, s.tensor.layer, static_cast<int>(s.tensor.role), std::string_view(s.tensor.name));
}

// True when embedding and head are one matrix for a class of this rule.
bool is_tied(const MlxClass* mlx_class, bool flag, bool has_head, bool has_embedding) {
  switch (mlx_class != nullptr ? mlx_class->tie : TieRule::by_flag) {
    case TieRule::always: return true;
    case TieRule::never: return false;
    case TieRule::by_absence: return !has_head || (flag && has_embedding);
    case TieRule::by_flag: break;
  }
  return flag || has_head != has_embedding;
}

// Says what the class cannot do about embedding and head.
void check_tie(const MlxClass& mlx_class, bool has_head, bool may_differ, Model* model) {
  if (mlx_class.tie == TieRule::never && !has_head)
    refuse(model, fmt::format("mlx-lm's class '{}' demands an output head, and this checkpoint has none of its own", mlx_class.name));
  if (mlx_class.tie == TieRule::always && has_head && may_differ)
    refuse(model, fmt::format("mlx-lm's class '{}' has no output head of its own, and this checkpoint has one beside its embedding",
                              mlx_class.name));
}

void resolve_tie(bool flag, const MlxClass* mlx_class, const SourceFacts& facts, std::vector<Sorted>* all, Model* model) {
  const auto has = [&](Role role) { return std::any_of(all->begin(), all->end(), [&](const Sorted& s) { return s.tensor.role == role; }); };
  const bool has_head = has(Role::lm_head), has_embedding = has(Role::embedding);
  const bool own_head = flag && has_head && has_embedding && facts.head_differs;
  if (mlx_class != nullptr) check_tie(*mlx_class, has_head, has_embedding && (own_head || !flag), model);
  if (own_head) model->warnings.emplace_back(kOwnHeadWarning);
  model->tied = !own_head && is_tied(mlx_class, flag, has_head, has_embedding);
  if (!model->tied) return;
  if (has_head && has_embedding) {
    for (const Sorted& s : *all)
      if (s.tensor.role == Role::lm_head) model->dropped.push_back({s.tensor.name, "tied: the embedding serves as output head"});
    std::erase_if(*all, [](const Sorted& s) { return s.tensor.role == Role::lm_head; });
  }
  for (Sorted& s : *all)
    if (s.tensor.role == Role::lm_head || s.tensor.role == Role::embedding) s.tensor.role = Role::tied_embedding;
}

void warn_unknown(const std::vector<Sorted>& all, Model* model) {
  std::size_t n = 0;
  for (const Sorted& s : all) {
    if (s.tensor.role != Role::unknown) continue;
    if (++n <= kMaxUnknownWarnings)
      model->warnings.push_back(fmt::format("tensor '{}' {}: no rule knows this name", s.tensor.name, jang::to_string(s.tensor.shape)));
  }
  if (n > kMaxUnknownWarnings) model->warnings.push_back(fmt::format("and {} more tensors that no rule knows", n - kMaxUnknownWarnings));
}

Status read_summary(const json::Value& config, Model* model) {
  JANG_ASSIGN(const std::int64_t n_layers, first_number(config, {"num_hidden_layers", "n_layer", "n_layers", "num_layers"}, kMaxLayers));
  JANG_ASSIGN(const std::int64_t n_experts,
              first_number(config, {"num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"}, kMaxExperts));
  JANG_ASSIGN(const std::int64_t heads, first_number(config, {"num_attention_heads", "n_head", "n_heads"}, 1 << 20));
  JANG_ASSIGN(const std::int64_t kv_heads, first_number(config, {"num_key_value_heads", "num_kv_heads"}, 1 << 20));
  JANG_ASSIGN(const std::int64_t lora, first_number(config, {"kv_lora_rank"}, 1 << 20));
  model->n_layers = static_cast<int>(n_layers);
  model->n_experts = static_cast<int>(n_experts);
  model->attention = lora > 0 ? "mla" : heads > 0 ? attention_kind(heads, kv_heads > 0 ? kv_heads : heads) : "none";
  return {};
}

std::string_view kind(const std::vector<OutTensor>& tensors, bool moe) {
  const bool recurrent = std::any_of(tensors.begin(), tensors.end(), [](const OutTensor& t) {
    return t.role == Role::linear_attn_qkv || t.role == Role::conv || (t.role == Role::state && ends_with_path(t.name, "A_log"));
  });
  if (recurrent) return moe ? "hybrid_moe_ssm" : "hybrid_ssm";
  return moe ? "moe" : "dense";
}

json::Value* text_of(json::Value* config) {
  const auto text = config->find("text_config");
  return text != config->end() && text->is_object() ? &*text : config;
}

// Keys a class demands that configs of transformers 5 hold among rope_parameters.
void fill_rope_keys(const MlxClass& mlx_class, json::Value* text) {
  const auto lacks = [&](const char* key) {
    return std::ranges::find(mlx_class.required, key) != mlx_class.required.end() && !text->contains(key);
  };
  if (lacks("rope_scaling")) (*text)["rope_scaling"] = nullptr;
  const json::Value* rope = json::find(*text, "rope_parameters");
  const json::Value* part = rope != nullptr && rope->is_object() ? json::find(*rope, "partial_rotary_factor") : nullptr;
  if (part != nullptr && lacks("partial_rotary_factor")) {
    const json::Value copy = *part;
    (*text)["partial_rotary_factor"] = copy;
  }
}

// Numbers that a config may leave null, and the class does not derive.
void fill_derived_numbers(const MlxClass& mlx_class, json::Value* text) {
  for (const std::string_view key : mlx_class.not_null) {
    const auto value = text->find(key);
    if (value == text->end() || !value->is_null()) continue;
    if (const auto number = mlx_number(key, *text, *text)) *value = *number;
  }
}

// The config as the class wants it: RoPE numbers at the top, no key missing.
Status prepare_config(const MlxClass& mlx_class, json::Value* config, Model* model) {
  json::Value* text = text_of(config);
  const json::Value* rope = json::find(*text, "rope_parameters");
  const bool by_layer =
      rope != nullptr && rope->is_object() && std::any_of(rope->begin(), rope->end(), [](const json::Value& v) { return v.is_object(); });
  if (rope != nullptr && !by_layer) JANG_TRY(flatten_rope(text));
  fill_rope_keys(mlx_class, text);
  fill_derived_numbers(mlx_class, text);
  if (std::string why = mlx_config_refusal(mlx_class, *config); !why.empty()) refuse(model, std::move(why));
  return {};
}

void write_tie(const MlxClass& mlx_class, bool tied, json::Value* config) {
  if (mlx_class.tie != TieRule::by_flag) return;
  json::Value* text = text_of(config);
  (*text)["tie_word_embeddings"] = tied;
  if (text != config) (*config)["tie_word_embeddings"] = tied;
}

Result<bool> tie_flag(const json::Value& config) {
  JANG_ASSIGN(const bool text_tie, json::get_bool(text_of(config), "tie_word_embeddings", false));
  JANG_ASSIGN(const bool top_tie, json::get_bool(config, "tie_word_embeddings", false));
  return text_tie || top_tie;
}

}  // namespace

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

Result<Model> describe_generic(json::Value config, std::string_view model_type, std::span<const TensorInfo> sources,
                               const SourceFacts& facts) {
  Model model;
  model.family = kGenericFamily;
  model.model_type = model_type;
  JANG_TRY(read_summary(config, &model));
  const MlxClass* mlx_class = find_mlx_class(model_type, model.n_experts > 0);
  if (mlx_class != nullptr && !mlx_class->experts_key.empty()) {
    JANG_ASSIGN(const std::int64_t n_experts, first_number(config, {std::string(mlx_class->experts_key).c_str()}, kMaxExperts));
    model.n_experts = static_cast<int>(n_experts);
    mlx_class = find_mlx_class(model_type, n_experts > 0);
  }
  if (mlx_class != nullptr) {
    JANG_TRY(prepare_config(*mlx_class, &config, &model));
    model.warnings.push_back(
        fmt::format("model type '{}' is not one of the listed families: roles come from common names, the layout from "
                    "what mlx-lm's class '{}' loads; the engine here cannot run it",
                    model_type, mlx_class->name));
  } else {
    refuse(&model, fmt::format("mlx-lm {} has no class for model type '{}' that is known to open a bundle", mlx_version(), model_type));
    model.warnings.push_back(
        fmt::format("model type '{}' is not one of the listed families: names and layouts are kept as in the source, roles come "
                    "from common names",
                    model_type));
  }
  JANG_ASSIGN(const bool flag, tie_flag(config));
  JANG_ASSIGN(const std::int64_t n_layers, first_number(config, {"num_hidden_layers"}, kMaxLayers));
  Placer placer(mlx_class, n_layers, sources, &model);
  JANG_TRY(placer.run());
  std::vector<Sorted> all;
  for (OutTensor& t : placer.take()) all.push_back({0, std::move(t)});
  resolve_tie(flag, mlx_class, facts, &all, &model);
  if (mlx_class != nullptr) write_tie(*mlx_class, model.tied, &config);
  for (Sorted& s : all) s.section = section_of(s.tensor);
  std::sort(all.begin(), all.end(), [](const Sorted& a, const Sorted& b) { return sort_key(a) < sort_key(b); });
  warn_unknown(all, &model);
  for (Sorted& s : all) model.tensors.push_back(std::move(s.tensor));
  if (mlx_class != nullptr)
    if (std::string why = mlx_tensor_refusal(*mlx_class, config, model.tensors); !why.empty()) refuse(&model, std::move(why));
  model.architecture_kind = kind(model.tensors, model.n_experts > 0);
  model.config = std::move(config);
  return model;
}

}  // namespace jang::arch
