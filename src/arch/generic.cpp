// SPDX-License-Identifier: Apache-2.0
// A model type nobody listed. Conservative: names, shapes and values stay as the source has them (mlx-lm's own class may rename or stack
// them when it loads, whoever quantised them), roles come from common component names, and what no rule knows is said, a bounded number of
// times.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "arch/extras.h"
#include "arch/family.h"
#include "arch/generic_rules.h"
#include "arch/path.h"
#include "arch/role.h"

namespace jang::arch {
namespace {

constexpr std::size_t kMaxUnknownWarnings = 12;
constexpr int kMaxLayers = 10000;

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

OutTensor describe_tensor(const TensorInfo& t, int index, const std::vector<std::string_view>& path) {
  const GenericMatch match = match_generic(path, t.shape.size());
  OutTensor out;
  out.name = t.name;
  out.module = module_of(t.name);
  out.shape = t.shape;
  out.source_dtype = t.dtype;
  out.role = match.role;
  out.rule = match.leaf.empty() ? "generic: no rule" : fmt::format("generic: *.{}", match.leaf);
  out.layer = layer_of(path);
  out.unit = unit_of(path, out.module);
  out.keep_dtype = match.role == Role::state || path.back() == "e_score_correction_bias";
  out.pieces = {{index, 0, rows(t.shape)}};
  const bool is_matrix = (t.shape.size() == 2 || t.shape.size() == 3) && elements(t.shape) > 0 && info(t.dtype).is_float;
  out.quantizable =
      is_matrix && is_quantizable(match.role) && path.back() == "weight" && (t.shape.size() == 2 || expert_component(path) < 0);
  return out;
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

void resolve_tie(bool flag, std::vector<Sorted>* all, Model* model) {
  const auto has = [&](Role role) { return std::any_of(all->begin(), all->end(), [&](const Sorted& s) { return s.tensor.role == role; }); };
  const bool has_head = has(Role::lm_head), has_embedding = has(Role::embedding);
  model->tied = flag || has_head != has_embedding;
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
              first_number(config, {"num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"}, 65536));
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

}  // namespace

Result<Model> describe_generic(json::Value config, std::string_view model_type, std::span<const TensorInfo> sources) {
  Model model;
  model.family = kGenericFamily;
  model.model_type = model_type;
  JANG_TRY(read_summary(config, &model));
  model.warnings.push_back(
      fmt::format("model type '{}' is not one of the listed families: names and layouts are kept as in the source, roles come "
                  "from common names; whether stock mlx-lm opens the bundle depends on its own class for this type",
                  model_type));
  const bool transposed = has_transposed_linears(sources);
  if (transposed) model.warnings.emplace_back("c_attn, c_proj and c_fc are stored [in, out] and are kept as they are, not quantised");

  std::vector<Sorted> all;
  std::set<std::string> seen;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    if (sources[i].standing == Standing::stray) continue;  // nobody can tell whether the model lacks it
    TensorInfo source = sources[i];
    source.name = unwrapped(source.name);
    if (const std::string_view reason = buffer_reason(source); !reason.empty()) {
      model.dropped.push_back({sources[i].name, std::string(reason)});
      continue;
    }
    if (!seen.insert(source.name).second) return Status(StatusCode::corrupt, fmt::format("tensor '{}' occurs twice", source.name));
    const auto path = split_path(source.name);
    OutTensor out = describe_tensor(source, static_cast<int>(i), path);
    if (transposed && is_transposed_name(path)) out.quantizable = false;
    model.has_vision = model.has_vision || out.role == Role::vision;
    model.n_layers = std::clamp(out.layer + 1, model.n_layers, std::max(model.n_layers, kMaxLayers));
    all.push_back({0, std::move(out)});
  }
  JANG_ASSIGN(const bool text_tie, json::get_bool(text_of(config), "tie_word_embeddings", false));
  JANG_ASSIGN(const bool top_tie, json::get_bool(config, "tie_word_embeddings", false));
  resolve_tie(text_tie || top_tie, &all, &model);
  for (Sorted& s : all) s.section = section_of(s.tensor);
  std::sort(all.begin(), all.end(), [](const Sorted& a, const Sorted& b) { return sort_key(a) < sort_key(b); });
  warn_unknown(all, &model);
  for (Sorted& s : all) model.tensors.push_back(std::move(s.tensor));
  model.architecture_kind = kind(model.tensors, model.n_experts > 0);
  model.config = std::move(config);
  return model;
}

}  // namespace jang::arch
