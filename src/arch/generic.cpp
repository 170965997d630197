// SPDX-License-Identifier: Apache-2.0
// A model type nobody listed. Roles come from common component names, values stay as the source has them. Names and shapes stay too, but
// where the type's class in mlx-lm renames, stacks or cuts unpacked tensors as it loads: those take the form the class keeps them in
// (mlx_table.h), and what it transforms in other ways is not packed. What stock mlx-lm would not open is said in Model::refusal. What no
// rule knows is said, a bounded number of times.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "arch/config_edit.h"
#include "arch/extras.h"
#include "arch/family.h"
#include "arch/generic_rules.h"
#include "arch/mlx_table.h"
#include "arch/path.h"
#include "arch/role.h"

namespace jang::arch {
namespace {

constexpr std::size_t kMaxUnknownWarnings = 12;
constexpr int kMaxLayers = 10000;
constexpr std::int64_t kMaxExperts = 65536;

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

void refuse(Model* model, std::string why) {
  if (model->refusal.empty()) model->refusal = std::move(why);
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

// [2 n, in], or one such per expert.
bool can_be_halved(const Shape& shape) {
  const std::size_t rank = shape.size();
  if (rank != 2 && rank != 3) return false;
  return shape[rank - 2] > 0 && shape[rank - 2] % 2 == 0 && (rank == 2 || shape[0] <= kMaxExperts);
}

// The source's tensors as those of the bundle.
class Placer {
 public:
  // `n_layers`: num_hidden_layers of the config, 0 where it has none.
  Placer(const MlxClass* mlx_class, std::int64_t n_layers, std::span<const TensorInfo> sources, Model* model)
      : class_(mlx_class),
        n_layers_(static_cast<int>(n_layers)),
        original_(sources),
        sources_(sources.begin(), sources.end()),
        model_(model),
        transposed_(mlx_class == nullptr && has_transposed_linears(sources)) {
    for (TensorInfo& t : sources_) t.name = unwrapped(t.name);
  }

  Status run();
  std::vector<Sorted> take() { return std::move(all_); }

 private:
  Status place(int index, const std::vector<std::string_view>& path);
  Status move(int index, const std::vector<std::string_view>& path, const MlxPlace::Move& move);
  void keep(OutTensor out) { all_.push_back({0, std::move(out)}); }
  void say_unknown(const TensorInfo& t);
  Status check_stacks();
  [[nodiscard]] bool is_beyond(const std::vector<std::string_view>& path, Role role) const {
    return class_ != nullptr && role != Role::vision && n_layers_ > 0 && layer_of(path) >= n_layers_;
  }

  struct Stack {
    std::size_t at = 0;            // index into all_
    std::map<int, int> by_expert;  // source index; expert numbers are outside data, so memory goes by tensors, not by numbers
  };

  const MlxClass* class_;
  int n_layers_;
  std::span<const TensorInfo> original_;
  std::vector<TensorInfo> sources_;  // without the prefixes of wrappers
  Model* model_;
  bool transposed_;
  std::vector<Sorted> all_;
  std::map<std::string, Stack> stacks_;  // by name in the bundle
};

Status Placer::run() {
  if (transposed_) model_->warnings.emplace_back("c_attn, c_proj and c_fc are stored [in, out] and are kept as they are, not quantized");
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    const TensorInfo& t = sources_[i];
    if (t.standing == Standing::stray) continue;  // nobody can tell whether the model lacks it
    if (const std::string_view reason = buffer_reason(t); !reason.empty()) {
      model_->dropped.push_back({original_[i].name, std::string(reason)});
      continue;
    }
    if (!seen.insert(t.name).second) return {StatusCode::corrupt, fmt::format("tensor '{}' occurs twice", t.name)};
    const auto path = split_path(t.name);
    if (is_beyond(path, match_generic(path, t.shape.size()).role))
      model_->dropped.push_back({original_[i].name, fmt::format("beyond the {} layers of config.json", n_layers_)});
    else
      JANG_TRY(place(static_cast<int>(i), path));
  }
  std::set<std::string_view> names;
  for (const Sorted& s : all_)
    if (!names.insert(s.tensor.name).second)
      return {StatusCode::corrupt, fmt::format("tensor '{}' is there twice, under two names", s.tensor.name)};
  return check_stacks();
}

Status Placer::place(int index, const std::vector<std::string_view>& path) {
  const TensorInfo& t = sources_[static_cast<std::size_t>(index)];
  const MlxPlace where = class_ != nullptr ? place_of(*class_, t.name) : MlxPlace{MlxPlace::Kind::module, {}};
  if (where.kind == MlxPlace::Kind::moved) {
    for (const MlxPlace::Move& m : where.moves) JANG_TRY(move(index, path, m));
    return {};
  }
  OutTensor out = describe_tensor(t, index, path);
  if (where.kind != MlxPlace::Kind::module || (transposed_ && is_transposed_name(path))) out.quantizable = false;
  const bool tied_head = class_ != nullptr && class_->tie == TieRule::always && out.role == Role::lm_head;  // resolve_tie decides
  if (where.kind == MlxPlace::Kind::unknown && out.role != Role::vision && !tied_head) say_unknown(t);
  model_->has_vision = model_->has_vision || out.role == Role::vision;
  model_->n_layers = std::clamp(out.layer + 1, model_->n_layers, std::max(model_->n_layers, kMaxLayers));
  keep(std::move(out));
  return {};
}

// A tensor under the name, and in the form, that the class keeps it in.
Status Placer::move(int index, const std::vector<std::string_view>& path, const MlxPlace::Move& move) {
  const TensorInfo& t = sources_[static_cast<std::size_t>(index)];
  const auto out_path = split_path(move.out);
  const bool stacks = move.layout == LayoutRule::stack_experts;
  const bool halves = move.layout == LayoutRule::first_half || move.layout == LayoutRule::second_half;
  const std::size_t rank = t.shape.size();
  if (stacks ? rank != 2 : halves && !can_be_halved(t.shape))
    return {StatusCode::corrupt,
            fmt::format("tensor '{}' has shape {}, which cannot become '{}'", t.name, jang::to_string(t.shape), move.out)};
  if (stacks) {
    if (const auto known = stacks_.find(move.out); known != stacks_.end()) {
      known->second.by_expert[move.expert] = index;
      return {};
    }
  }
  OutTensor out = describe_tensor(t, index, path);
  const Role named = match_generic(out_path, t.shape.size() + (stacks ? 1 : 0)).role;
  const bool routes = out.role == Role::router || out.role == Role::shared_router;  // classes call them *.gate.gate_proj
  if (named != Role::unknown && !routes) out.role = named;
  out.rule = fmt::format("{}: {}", class_->name, move.out);
  out.unit = halves ? std::string(module_of(t.name)) : std::string(module_of(move.out));
  out.name = move.out;
  out.module = module_of(move.out);
  if (halves) {
    const std::int64_t n_rows = t.shape[rank - 2] / 2, n_all = rows(t.shape);
    out.shape[rank - 2] = n_rows;
    out.pieces.clear();
    for (std::int64_t row = move.layout == LayoutRule::second_half ? n_rows : 0; row < n_all; row += 2 * n_rows)
      out.pieces.push_back({index, row, n_rows});
  }
  if (stacks) stacks_.emplace(move.out, Stack{all_.size(), {{move.expert, index}}});
  out.quantizable = (rank == 2 || rank == 3) && is_quantizable(out.role) && info(t.dtype).is_float && elements(t.shape) > 0;
  model_->n_layers = std::clamp(out.layer + 1, model_->n_layers, std::max(model_->n_layers, kMaxLayers));
  keep(std::move(out));
  return {};
}

// A vector more is the class's affair; a matrix it does not know makes it refuse the whole.
void Placer::say_unknown(const TensorInfo& t) {
  if (t.shape.size() < 2) return;
  refuse(model_, fmt::format("mlx-lm's class '{}' has no place for tensor '{}' {}", class_->name, t.name, jang::to_string(t.shape)));
}

// Every expert there, all alike; then the pieces in order make one tensor.
Status Placer::check_stacks() {
  for (auto& [name, stack] : stacks_) {
    OutTensor& out = all_[stack.at].tensor;
    const int given = static_cast<int>(stack.by_expert.size()), n = std::max(given, model_->n_experts);
    if (model_->n_experts > 0 && given > model_->n_experts)
      return {StatusCode::corrupt, fmt::format("tensor '{}' has {} experts, config.json says {}", name, given, model_->n_experts)};
    out.pieces.clear();
    for (int e = 0; e < n; ++e) {
      const auto found = stack.by_expert.find(e);
      if (found == stack.by_expert.end())
        return {StatusCode::corrupt, fmt::format("tensor '{}': expert {} of {} is missing; the checkpoint is incomplete", name, e, n)};
      const TensorInfo& t = sources_[static_cast<std::size_t>(found->second)];
      if (t.shape != out.shape || t.dtype != out.source_dtype)
        return {StatusCode::corrupt, fmt::format("tensor '{}' is {} {}, the experts before it are {} {}", t.name, jang::name(t.dtype),
                                                 jang::to_string(t.shape), jang::name(out.source_dtype), jang::to_string(out.shape))};
      out.pieces.push_back({found->second, 0, rows(t.shape)});
    }
    out.shape.insert(out.shape.begin(), n);
  }
  return {};
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

// Values that a class stumbles over: configs of transformers 5 name the kinds of layers anew, and give a period where it wants a pattern.
void check_values(const MlxClass& mlx_class, const json::Value& text, Model* model) {
  const json::Value* types = json::find(text, "layer_types");
  if (mlx_class.name.starts_with("granitemoehybrid") && types != nullptr && types->is_array())
    for (const json::Value& t : *types)
      if (t != "mamba" && t != "attention")
        refuse(model, fmt::format("config.json: mlx-lm's class '{}' knows the layer types mamba and attention, not {}; write these names",
                                  mlx_class.name, json::quote(json::dump(t), 64)));
  const json::Value* period = json::find(text, "sliding_window_pattern");
  if (mlx_class.name == "exaone4" && period != nullptr && !period->is_string())
    refuse(model, fmt::format("config.json: mlx-lm's class '{}' wants sliding_window_pattern as a text such as LLLG", mlx_class.name));
}

// The config as the class wants it: RoPE numbers at the top, no key missing.
Status prepare_config(const MlxClass& mlx_class, json::Value* config, Model* model) {
  json::Value* text = text_of(config);
  const json::Value* rope = json::find(*text, "rope_parameters");
  const bool by_layer =
      rope != nullptr && rope->is_object() && std::any_of(rope->begin(), rope->end(), [](const json::Value& v) { return v.is_object(); });
  if (rope != nullptr && !by_layer) JANG_TRY(flatten_rope(text));
  fill_rope_keys(mlx_class, text);
  check_values(mlx_class, *text, model);
  for (const std::string_view key : mlx_class.required)
    if (!config->contains(std::string(key)))
      refuse(model, fmt::format("config.json has no '{}', which mlx-lm's class '{}' demands", key, mlx_class.name));
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
  std::vector<Sorted> all = placer.take();
  resolve_tie(flag, mlx_class, facts, &all, &model);
  if (mlx_class != nullptr) write_tie(*mlx_class, model.tied, &config);
  for (Sorted& s : all) s.section = section_of(s.tensor);
  std::sort(all.begin(), all.end(), [](const Sorted& a, const Sorted& b) { return sort_key(a) < sort_key(b); });
  warn_unknown(all, &model);
  for (Sorted& s : all) model.tensors.push_back(std::move(s.tensor));
  model.architecture_kind = kind(model.tensors, model.n_experts > 0);
  model.config = std::move(config);
  return model;
}

}  // namespace jang::arch
