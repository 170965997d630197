// SPDX-License-Identifier: Apache-2.0
// What the MLX class of a listed family computes otherwise than config.json asks and transformers does, from reading the classes of
// mlx-lm 0.32 (families.cpp). The bundle opens there and answers, but not as the model: that is said when it is made.
//
//   activation    the classes have one built in, whatever the config names
//   window        some have none (families.cpp) and see the whole text, which is the same up to its length
//   softcaps      only gemma2's has them
//   head          some always have one, some never; other models end the load
//   heads         qwen2's are of hidden_size / num_attention_heads values, whatever the config says: others end the load
//   RoPE          types they do not know, or without a key they demand, end the load; qwen3_moe's has no scaling; yarn's and longrope's
//                 attention_factor and yarn's truncate are not read; longrope has one table, the long one, for texts of every length
#include "format/targets/mlx/differences.h"
#include "arch/geometry.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace jang::targets::mlx {
namespace {

using arch::Dim;
using arch::Family;
using arch::Geometry;
using arch::Traits;
using arch::WindowRule;

using Sentences = std::vector<std::string>;

std::string text_at(const json::Value& object, const char* key, std::string_view fallback) {
  const json::Value* value = json::find(object, key);
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string(fallback);
}

// The name of the function behind a name.
std::string_view function_of(std::string_view activation) {
  constexpr std::array<std::string_view, 3> kTanh = {"gelu_pytorch_tanh", "gelu_new", "gelu_fast"};
  if (activation == "swish") return "silu";
  return std::ranges::find(kTanh, activation) != kTanh.end() ? kTanh.front() : activation;
}

void check_activation(const Family& family, const FamilyRow& habits, const json::Value& text, Sentences* out) {
  const Traits& traits = family.traits;
  const std::string name = text_at(text, std::string(traits.activation_key).c_str(), traits.activation);
  const std::string_view computed = habits.activation.empty() ? traits.activation : habits.activation;
  if (function_of(name) == function_of(computed)) return;
  out->push_back(
      fmt::format("config.json asks for the activation {}, mlx-lm's class of {} always computes {}: its answers will differ from "
                  "the model's",
                  json::quote(name), family.name, computed));
}

bool is_true(const json::Value& text, const char* key) {
  const json::Value* value = json::find(text, key);
  return value != nullptr && value->is_boolean() && value->get<bool>();
}

std::int64_t number_at(const json::Value& text, const char* key, std::int64_t fallback) {
  const json::Value* value = json::find(text, key);
  return value != nullptr && value->is_number_integer() ? value->get<std::int64_t>() : fallback;
}

void check_window(const Family& family, const FamilyRow& habits, const json::Value& text, Sentences* out) {
  const WindowRule rule = family.traits.window;
  if (habits.has_window || rule == WindowRule::none) return;
  const bool is_null = text.contains("sliding_window") && json::find(text, "sliding_window") == nullptr;
  const bool by_flag = rule == WindowRule::flagged || rule == WindowRule::by_layer;
  if (is_null || (by_flag && !is_true(text, "use_sliding_window"))) return;
  const std::int64_t window = number_at(text, "sliding_window", family.traits.default_window);
  if (window >= number_at(text, "max_position_embeddings", family.traits.max_positions)) return;
  out->push_back(
      fmt::format("config.json asks for a sliding window of {}, mlx-lm's class of {} has none: its answers to texts longer than "
                  "that will differ from the model's",
                  window, family.name));
}

void check_softcaps(const Family& family, const FamilyRow& habits, const json::Value& text, Sentences* out) {
  if (habits.has_softcaps) return;
  const std::pair<const char*, bool> caps[] = {{"attn_logit_softcapping", family.traits.attention_softcap},
                                               {"final_logit_softcapping", family.traits.logit_softcap}};
  for (const auto& [key, applies] : caps)
    if (applies && json::find(text, key) != nullptr)
      out->push_back(fmt::format("config.json asks for {}, mlx-lm's class of {} has none: its answers will differ from the model's", key,
                                 family.name));
}

void check_unread(const json::Value& rope, const char* key, Sentences* out) {
  const json::Value* value = json::find(rope, key);
  if (value == nullptr || *value == true) return;
  out->push_back(fmt::format("config.json sets the RoPE's {}, which mlx-lm does not read: its answers will differ from the model's", key));
}

// transformers turns a text by short_factor until it is longer than the original context, and by long_factor from there on.
void check_longrope(const json::Value& rope, Sentences* out) {
  const json::Value *shorter = json::find(rope, "short_factor"), *longer = json::find(rope, "long_factor");
  const json::Value* context = json::find(rope, "original_max_position_embeddings");
  if (context == nullptr || shorter == nullptr || longer == nullptr || *shorter == *longer) return;
  out->push_back(fmt::format(
      "config.json asks for the RoPE type \"longrope\": mlx-lm turns texts of every length by its long_factor, transformers "
      "and the engine here those of at most {} tokens by its short_factor: mlx-lm's answers to them will differ from the model's",
      json::dump(*context)));
}

void check_rope(const Family& family, const FamilyRow& habits, const json::Value& text, Sentences* out) {
  for (const char* place : {"rope_scaling", "rope_parameters"}) {
    const json::Value* rope = json::find(text, place);
    if (rope == nullptr || !rope->is_object() || rope->empty()) continue;
    if (const json::Value* local = json::find(*rope, "sliding_attention"); local != nullptr && local->is_object()) {
      const std::string type = text_at(*local, "rope_type", "default");
      if (type != "default")
        out->push_back(
            fmt::format("config.json asks for the RoPE type {} in sliding layers, mlx-lm's class of {} turns them plainly: its "
                        "answers will differ from the model's",
                        json::quote(type), family.name));
      continue;
    }
    const std::string type = text_at(*rope, "rope_type", text_at(*rope, "type", "default"));
    if (type == "yarn" || type == "longrope") check_unread(*rope, "attention_factor", out);
    if (type == "yarn") check_unread(*rope, "truncate", out);
    if (type == "longrope" && habits.scales_rope) check_longrope(*rope, out);
    if (type != "default" && type != "mrope" && !habits.scales_rope)
      out->push_back(
          fmt::format("config.json asks for the RoPE type {}, mlx-lm's class of {} has plain RoPE only: its answers will differ "
                      "from the model's",
                      json::quote(type), family.name));
    return;  // rope_scaling decides where it stands
  }
}

// What initialize_rope of mlx-lm looks up without a default.
std::vector<const char*> demanded_by(std::string_view type) {
  if (type == "longrope") return {"original_max_position_embeddings", "short_factor", "long_factor"};
  constexpr std::array<std::string_view, 6> kScaled = {"linear", "dynamic", "llama3", "yarn", "deepseek_yarn", "telechat3-yarn"};
  if (std::ranges::find(kScaled, type) != kScaled.end()) return {"factor"};
  return {};
}

}  // namespace

std::vector<std::string> differences(const arch::Family& family, const json::Value& text) {
  const FamilyRow& habits = family_row(family.name);
  Sentences out;
  check_activation(family, habits, text, &out);
  check_window(family, habits, text, &out);
  check_softcaps(family, habits, text, &out);
  if (const std::string key(habits.unread_key); !key.empty() && json::find(text, key.c_str()) != nullptr)
    out.push_back(fmt::format("config.json sets {}, which mlx-lm's class of {} does not read: its answers will differ from the model's",
                              key, family.name));
  check_rope(family, habits, text, &out);
  for (const FixedNumber& fixed : habits.fixed)
    if (const json::Value* value = json::find(text, fixed.key); value != nullptr && *value != fixed.value)
      out.push_back(fmt::format("config.json sets {} to {}, mlx-lm's class of {} always takes {}: its answers will differ from the model's",
                                fixed.key, json::dump(*value), family.name, fixed.value));
  if (habits.norms_whole_rows && number_at(text, "mamba_n_groups", 1) > 1)
    out.push_back(
        fmt::format("config.json sets mamba_n_groups to {}, mlx-lm's class of {} normalises the groups of a state space as one row: its "
                    "answers will differ from the model's",
                    number_at(text, "mamba_n_groups", 1), family.name));
  if (habits.drops_correction)
    out.push_back(
        fmt::format("mlx-lm's class of {} leaves out the correction by which experts are chosen: its answers will differ from the model's "
                    "where that is not zero",
                    family.name));
  if (is_true(text, "use_bidirectional_attention") || text_at(text, "use_bidirectional_attention", "") == "all")
    out.push_back(
        fmt::format("config.json asks for use_bidirectional_attention, mlx-lm's class of {} is causal: its answers will differ "
                    "from the model's",
                    family.name));
  if (is_true(text, "rope_traditional"))
    out.emplace_back("config.json sets rope_traditional, which only mlx-lm reads: it pairs neighbours there, halves elsewhere");
  return out;
}

std::string layers_refusal(const arch::Family& family, const arch::Geometry& geometry, const json::Value& text) {
  const FamilyRow& habits = family_row(family.name);
  if (!habits.reads_head_dim && geometry.size(Dim::q) != geometry.size(Dim::hidden))
    return fmt::format(
        "config.json gives heads of {} values (head_dim), and mlx-lm's class of {} makes them hidden_size / "
        "num_attention_heads wide whatever it says; only a later mlx-lm can open this model",
        geometry.size(Dim::head), family.name);
  if (!habits.has_dense_layers && geometry.size(Dim::ffn) > 0)
    return fmt::format("config.json asks for layers with a dense MLP, and every layer of mlx-lm's class of {} is a mixture", family.name);
  const json::Value* rope = json::find(text, "rope_scaling");
  if (habits.demands_scaling && (rope == nullptr || !rope->is_object() || json::find(*rope, "factor") == nullptr))
    return fmt::format("config.json has no rope_scaling with a factor, and mlx-lm's class of {} demands one", family.name);
  if (habits.linear_rope_only && rope != nullptr && rope->is_object() && !rope->empty() && text_at(*rope, "type", "") != "linear")
    return fmt::format("config.json asks for a RoPE other than \"linear\" (under the key 'type'), and mlx-lm's class of {} takes no other",
                       family.name);
  if (!habits.rope_types.empty() && rope != nullptr && rope->is_object() && !rope->empty())
    if (const std::string type = text_at(*rope, std::string(habits.rope_type_key).c_str(), "");
        std::ranges::find(habits.rope_types, type) == habits.rope_types.end())
      return fmt::format("config.json asks for the RoPE type {} (under the key '{}'), and mlx-lm's class of {} takes {}", json::quote(type),
                         habits.rope_type_key, family.name, fmt::join(habits.rope_types, " and "));
  return {};
}

std::string tied_difference(const arch::Family& family, bool tied) {
  if (!tied || family_row(family.name).scales_tied_logits) return {};
  return fmt::format(
      "the embedding is the model's output head, and mlx-lm's class of {} does not scale its logits then: its likeliest answer is the "
      "model's, drawn ones differ",
      family.name);
}

std::string head_refusal(const arch::Family& family, bool tied) {
  const OutputHead head = family_row(family.name).head;
  if (head == OutputHead::never && !tied)
    return fmt::format("the model has an output head of its own, and mlx-lm's class of {} uses the embedding", family.name);
  if (head == OutputHead::always && tied)
    return fmt::format("the embedding is the model's output head, and mlx-lm's class of {} wants a head of its own", family.name);
  return {};
}

std::string kinds_refusal(const arch::Family& family, const json::Value& text) {
  const bool no_window = text.contains("sliding_window") && json::find(text, "sliding_window") == nullptr;
  if (!family_row(family.name).wants_both_kinds || no_window) return {};
  const json::Value* types = json::find(text, "layer_types");
  const std::int64_t n_layers = number_at(text, "num_hidden_layers", 0);
  bool sliding = n_layers > 0 && family.traits.window_period > 1, full = n_layers >= family.traits.window_period;
  const bool convolves = (family.reads & arch::kReadsShortConv) != 0;
  if (types != nullptr && types->is_array()) {
    sliding = std::ranges::find(*types, convolves ? "conv" : "sliding_attention") != types->end();
    full = std::ranges::find(*types, "full_attention") != types->end();
  }
  if (sliding && full) return {};
  return fmt::format("mlx-lm's class of {} asks for layers of both kinds, with a {} and without, and the model has one", family.name,
                     convolves ? "convolution" : "sliding window");
}

std::string map_refusal(const arch::Family& family, const arch::Geometry& geometry) {
  if (family_row(family.name).always_biased && !geometry.attention_bias)
    return fmt::format("the model's maps have no biases, and mlx-lm's class of {} demands them", family.name);
  if (family_row(family.name).never_biased && geometry.attention_bias)
    return fmt::format("the model's maps of attention have biases, and mlx-lm's class of {} has no place for them", family.name);
  const int times = family_row(family.name).ffn_per_hidden;
  if (times == 0 || geometry.size(Dim::ffn) == times * geometry.size(Dim::hidden)) return {};
  return fmt::format(
      "config.json gives an intermediate_size of {}, and mlx-lm's class of {} makes it {} times hidden_size whatever it says",
      geometry.size(Dim::ffn), family.name, times);
}

std::string rope_refusal(const json::Value& text) {
  constexpr std::array<std::string_view, 10> kKnown = {"default",       "linear",   "dynamic",      "llama3",         "yarn",
                                                       "deepseek_yarn", "longrope", "proportional", "telechat3-yarn", "mrope"};
  const json::Value* rope = json::find(text, "rope_scaling");
  if (rope == nullptr || !rope->is_object()) return {};
  const std::string type = text_at(*rope, "type", text_at(*rope, "rope_type", "default"));
  if (std::ranges::find(kKnown, type) == kKnown.end())
    return fmt::format("config.json asks for the RoPE type {}, which mlx-lm does not know", json::quote(type));
  for (const char* key : demanded_by(type))
    if (json::find(*rope, key) == nullptr)
      return fmt::format("config.json asks for the RoPE type {} without {} among its parameters, which mlx-lm demands; add it there",
                         json::quote(type), key);
  return {};
}

}  // namespace jang::targets::mlx
