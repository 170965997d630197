// SPDX-License-Identifier: Apache-2.0
// The numbers of a config as dimensions. The config is outside data: every number is range checked here, once, before anything is sized,
// multiplied or looped by it. Limits are generous for real models and small enough that products of three fit 63 bits.
#include "arch/geometry.h"

#include <fmt/format.h>

#include <algorithm>

#include "arch/family.h"

namespace jang::arch {
namespace {

struct NumberKey {
  const char* key;
  std::int64_t lo, hi;
};

constexpr NumberKey kHidden{"hidden_size", 1, 1 << 20};
constexpr NumberKey kVocab{"vocab_size", 1, 1 << 26};
constexpr NumberKey kLayers{"num_hidden_layers", 1, 10000};
constexpr NumberKey kHeads{"num_attention_heads", 1, 1 << 14};
constexpr NumberKey kKvHeads{"num_key_value_heads", 1, 1 << 14};
constexpr NumberKey kHeadDim{"head_dim", 1, 1 << 14};
constexpr NumberKey kFfn{"intermediate_size", 1, 1 << 24};
constexpr NumberKey kDenseFfn{"intermediate_size_mlp", 1, 1 << 24};  // Llama 4, whose intermediate_size is that of experts
constexpr NumberKey kExperts{"num_experts", 0, 4096};
constexpr NumberKey kExpertFfn{"moe_intermediate_size", 1, 1 << 24};
constexpr NumberKey kSharedFfn{"shared_expert_intermediate_size", 1, 1 << 24};
constexpr NumberKey kSparseStep{"decoder_sparse_step", 1, 10000};
constexpr NumberKey kDeltaKeyHeads{"linear_num_key_heads", 1, 1 << 14};
constexpr NumberKey kDeltaValueHeads{"linear_num_value_heads", 1, 1 << 14};
constexpr NumberKey kDeltaKeyDim{"linear_key_head_dim", 1, 1 << 14};
constexpr NumberKey kDeltaValueDim{"linear_value_head_dim", 1, 1 << 14};
constexpr NumberKey kConvKernel{"linear_conv_kernel_dim", 2, 64};
constexpr NumberKey kShortKernel{"conv_L_cache", 2, 64};
constexpr NumberKey kMambaHeads{"mamba_n_heads", 1, 1 << 14};
constexpr NumberKey kMambaHeadDim{"mamba_d_head", 1, 1 << 14};
constexpr NumberKey kMambaGroups{"mamba_n_groups", 1, 1 << 14};
constexpr NumberKey kMambaState{"mamba_d_state", 1, 1 << 14};
constexpr NumberKey kMambaKernel{"mamba_d_conv", 2, 64};
constexpr NumberKey kQRank{"q_lora_rank", 0, 1 << 20};
constexpr NumberKey kKvRank{"kv_lora_rank", 1, 1 << 20};
constexpr NumberKey kNopeDim{"qk_nope_head_dim", 1, 1 << 14};
constexpr NumberKey kRopeDim{"qk_rope_head_dim", 2, 1 << 14};
constexpr NumberKey kValueDim{"v_head_dim", 1, 1 << 14};
constexpr NumberKey kInterval{"full_attention_interval", 2, 10000};
constexpr NumberKey kFullHeadDim{"global_head_dim", 1, 1 << 14};
constexpr NumberKey kFullKvHeads{"num_global_key_value_heads", 1, 1 << 14};
constexpr NumberKey kSharedLayers{"num_kv_shared_layers", 0, 10000};
constexpr NumberKey kLayerInput{"hidden_size_per_layer_input", 0, 1 << 16};
constexpr NumberKey kLayerVocab{"vocab_size_per_layer_input", 1, 1 << 26};

Result<std::int64_t> required(const json::Value& text, const NumberKey& k) {
  if (json::find(text, k.key) == nullptr) return Status(StatusCode::corrupt, fmt::format("config.json: '{}' is missing", k.key));
  return json::get_int(text, k.key, 0, k.lo, k.hi);
}

Result<std::int64_t> optional(const json::Value& text, const NumberKey& k, std::int64_t fallback) {
  return json::get_int(text, k.key, fallback, k.lo, k.hi);
}

Status read_biases(const json::Value& text, Geometry* g) {
  JANG_ASSIGN(g->attention_bias, json::get_bool(text, "attention_bias", false));
  JANG_ASSIGN(g->attention_out_bias, json::get_bool(text, "attention_out_bias", false));
  JANG_ASSIGN(g->mlp_bias, json::get_bool(text, "mlp_bias", false));
  JANG_ASSIGN(g->qk_norm, json::get_bool(text, "use_qk_norm", false));
  JANG_ASSIGN(g->expert_bias, json::get_bool(text, "use_expert_bias", false));
  return {};
}

// Every head has a key and a value of its own, all made of one latent.
Status read_latent(const json::Value& text, Geometry* g) {
  JANG_ASSIGN(const std::int64_t hidden, required(text, kHidden));
  JANG_ASSIGN(g->n_heads, required(text, kHeads));
  for (const NumberKey& unread : {kKvHeads, kHeadDim}) JANG_TRY(optional(text, unread, unread.lo).status());  // numbers all the same
  g->n_kv_heads = g->n_heads;
  JANG_ASSIGN(const std::int64_t q_rank, optional(text, kQRank, 0));
  JANG_ASSIGN(const std::int64_t kv_rank, required(text, kKvRank));
  JANG_ASSIGN(const std::int64_t nope, required(text, kNopeDim));
  JANG_ASSIGN(const std::int64_t rope, required(text, kRopeDim));
  JANG_ASSIGN(const std::int64_t value, required(text, kValueDim));
  g->latent = true;
  g->set(Dim::hidden, hidden);
  g->set(Dim::head, rope);
  g->set(Dim::nope_head, nope);
  g->set(Dim::value_head, value);
  g->set(Dim::q_rank, q_rank);
  g->set(Dim::kv_rank, kv_rank);
  g->set(Dim::kv_latent, kv_rank + rope);
  g->set(Dim::latent_q, g->n_heads * (nope + rope));
  g->set(Dim::latent_kv, g->n_heads * (nope + value));
  g->set(Dim::latent_out, g->n_heads * value);
  return read_biases(text, g);
}

Status read_attention(const json::Value& text, Geometry* g) {
  JANG_ASSIGN(const std::int64_t hidden, required(text, kHidden));
  JANG_ASSIGN(g->n_heads, required(text, kHeads));
  JANG_ASSIGN(g->n_kv_heads, optional(text, kKvHeads, g->n_heads));
  if (json::find(text, kHeadDim.key) == nullptr && hidden % g->n_heads != 0)
    return {StatusCode::corrupt,
            fmt::format("config.json: hidden_size {} is not a multiple of num_attention_heads {} and there is no head_dim", hidden,
                        g->n_heads)};
  JANG_ASSIGN(const std::int64_t head, optional(text, kHeadDim, hidden / g->n_heads));
  if (g->n_heads % g->n_kv_heads != 0)
    return {StatusCode::corrupt,
            fmt::format("config.json: num_attention_heads {} is not a multiple of num_key_value_heads {}", g->n_heads, g->n_kv_heads)};
  g->set(Dim::hidden, hidden);
  g->set(Dim::head, head);
  g->set(Dim::heads, g->n_heads);
  g->set(Dim::q, g->n_heads * head);
  g->set(Dim::q_gated, 2 * g->n_heads * head);
  g->set(Dim::kv, g->n_kv_heads * head);
  g->set(Dim::qkv, (g->n_heads + 2 * g->n_kv_heads) * head);
  return read_biases(text, g);
}

Status read_dense_only(const json::Value& text, Geometry* g) {
  const json::Value* list = json::find(text, "mlp_only_layers");
  if (list == nullptr) return {};
  const Status bad(StatusCode::corrupt, fmt::format("config.json: mlp_only_layers must list layers from 0 to {}", g->n_layers - 1));
  if (!list->is_array()) return bad;
  g->dense_only.assign(static_cast<std::size_t>(g->n_layers), false);
  for (const json::Value& layer : *list) {
    if (!layer.is_number_integer() || layer < 0 || layer >= g->n_layers) return bad;
    g->dense_only[layer.get<std::size_t>()] = true;
  }
  return {};
}

Status read_moe(const json::Value& text, std::uint16_t reads, Geometry* g) {
  JANG_ASSIGN(const std::int64_t n_experts, optional(text, kExperts, 0));
  g->n_experts = static_cast<int>(n_experts);
  if (n_experts == 0 && (reads & kReadsSharedExpert)) return {StatusCode::corrupt, "config.json: 'num_experts' is missing or 0"};
  if (n_experts == 0) return {};
  g->set(Dim::experts, n_experts);
  JANG_ASSIGN(const std::int64_t expert_ffn, required(text, kExpertFfn));
  g->set(Dim::expert_ffn, expert_ffn);
  if ((reads & kReadsSharedExpert) || ((reads & kMayShareExpert) && json::find(text, kSharedFfn.key) != nullptr)) {
    JANG_ASSIGN(const std::int64_t shared_ffn, required(text, kSharedFfn));
    g->set(Dim::shared_ffn, shared_ffn);
    g->set(Dim::shared_gate_up, 2 * shared_ffn);
  }
  if (!(reads & kReadsSparseStep)) return {};  // every layer of these classes is sparse
  JANG_ASSIGN(const std::int64_t step, optional(text, kSparseStep, 1));
  g->sparse_step = static_cast<int>(step);
  return read_dense_only(text, g);
}

Status read_delta(const json::Value& text, Geometry* g) {
  JANG_ASSIGN(const std::int64_t key_heads, required(text, kDeltaKeyHeads));
  JANG_ASSIGN(const std::int64_t value_heads, required(text, kDeltaValueHeads));
  JANG_ASSIGN(const std::int64_t key_dim, required(text, kDeltaKeyDim));
  JANG_ASSIGN(const std::int64_t value_dim, required(text, kDeltaValueDim));
  JANG_ASSIGN(const std::int64_t kernel, required(text, kConvKernel));
  JANG_ASSIGN(const std::int64_t interval, optional(text, kInterval, 4));
  if (value_heads % key_heads != 0)
    return {StatusCode::corrupt,
            fmt::format("config.json: linear_num_value_heads {} is not a multiple of linear_num_key_heads {}", value_heads, key_heads)};
  g->set(Dim::delta_qkv, 2 * key_heads * key_dim + value_heads * value_dim);
  g->set(Dim::delta_v, value_heads * value_dim);
  g->set(Dim::delta_heads, value_heads);
  g->set(Dim::delta_key_heads, key_heads);
  g->set(Dim::delta_head_k, key_dim);
  g->set(Dim::delta_qkvz, 2 * key_heads * key_dim + 2 * value_heads * value_dim);
  g->set(Dim::delta_ba, 2 * value_heads);
  g->set(Dim::delta_head_v, value_dim);
  g->set(Dim::conv_kernel, kernel);
  g->full_attention_interval = static_cast<int>(interval);
  return {};
}

// Every layer is one of two kinds, named in layer_types.
Status read_short_conv(const json::Value& text, Geometry* g) {
  JANG_ASSIGN(const std::int64_t kernel, required(text, kShortKernel));
  g->set(Dim::conv_kernel, kernel);
  g->set(Dim::conv_in, 3 * g->size(Dim::hidden));
  const json::Value* types = json::find(text, "layer_types");
  const Status bad(StatusCode::corrupt, fmt::format("config.json: layer_types must say of each of the {} layers whether it is \"conv\" or "
                                                    "\"full_attention\"",
                                                    g->n_layers));
  if (types == nullptr || !types->is_array() || types->size() != static_cast<std::size_t>(g->n_layers)) return bad;
  for (const json::Value& type : *types) {
    if (type != "conv" && type != "full_attention") return bad;
    g->conv_layers.push_back(type == "conv");
  }
  return {};
}

// A character for every layer's one block: "M*-E", as Nemotron-H has it.
Status read_pattern(const json::Value& pattern, Geometry* g) {
  constexpr std::string_view kLetters = "M*-E";  // in the order of LayerKind
  const Status bad(StatusCode::corrupt, fmt::format("config.json: hybrid_override_pattern must have one of the characters {} for each of "
                                                    "the {} layers",
                                                    kLetters, g->n_layers));
  if (!pattern.is_string()) return bad;
  const std::string letters = pattern.get<std::string>();
  if (letters.size() != static_cast<std::size_t>(g->n_layers)) return bad;
  for (const char letter : letters) {
    const std::size_t kind = kLetters.find(letter);
    if (kind == std::string_view::npos) return bad;
    g->kinds.push_back(static_cast<LayerKind>(kind));
    g->mamba_layers.push_back(g->kinds.back() == LayerKind::mamba);
  }
  return {};
}

Status read_mamba_layers(const json::Value& text, Geometry* g) {
  if (const json::Value* pattern = json::find(text, "hybrid_override_pattern"); pattern != nullptr) return read_pattern(*pattern, g);
  const json::Value* types = json::find(text, "layer_types");
  const Status bad(StatusCode::corrupt, fmt::format("config.json: layer_types must say of each of the {} layers whether it is \"mamba\" or "
                                                    "\"attention\"",
                                                    g->n_layers));
  if (types == nullptr || !types->is_array() || types->size() != static_cast<std::size_t>(g->n_layers)) return bad;
  for (const json::Value& type : *types) {
    if (type != "mamba" && type != "attention") return bad;
    g->mamba_layers.push_back(type == "mamba");
  }
  return {};
}

Status read_mamba(const json::Value& text, Geometry* g) {
  JANG_TRY(read_mamba_layers(text, g));
  JANG_ASSIGN(const std::int64_t heads, required(text, kMambaHeads));
  JANG_ASSIGN(const std::int64_t head, required(text, kMambaHeadDim));
  JANG_ASSIGN(const std::int64_t groups, optional(text, kMambaGroups, 1));
  JANG_ASSIGN(const std::int64_t state, required(text, kMambaState));
  JANG_ASSIGN(const std::int64_t kernel, required(text, kMambaKernel));
  JANG_ASSIGN(g->mamba_conv_bias, json::get_bool(text, "mamba_conv_bias", true));
  JANG_ASSIGN(g->mamba_bias, json::get_bool(text, "mamba_proj_bias", false));
  if (heads % groups != 0)
    return {StatusCode::corrupt, fmt::format("config.json: mamba_n_heads {} is not a multiple of mamba_n_groups {}", heads, groups)};
  const std::int64_t inner = heads * head, channels = inner + 2 * groups * state;
  g->mamba_groups = groups;
  g->set(Dim::mamba_inner, inner);
  g->set(Dim::mamba_conv, channels);
  g->set(Dim::mamba_in, inner + channels + heads);
  g->set(Dim::mamba_heads, heads);
  g->set(Dim::conv_kernel, kernel);
  return {};
}

// Heads of layers that see every position, where they are others than those of layers with a window.
Status read_full_heads(const json::Value& text, Geometry* g) {
  const json::Value* types = json::find(text, "layer_types");
  if (types == nullptr || !types->is_array() || types->size() != static_cast<std::size_t>(g->n_layers))
    return {StatusCode::corrupt, fmt::format("config.json: layer_types must list the kind of each of the {} layers", g->n_layers)};
  for (const json::Value& type : *types) {
    if (type != "full_attention" && type != "sliding_attention")
      return {StatusCode::unsupported,
              fmt::format("config.json: layer type {} is none that this family has", json::quote(json::dump(type)))};
    g->full_layers.push_back(type == "full_attention");
  }
  JANG_ASSIGN(const std::int64_t head, required(text, kFullHeadDim));
  JANG_ASSIGN(const bool keys_are_values, json::get_bool(text, "attention_k_eq_v", false));
  std::int64_t kv_heads = g->n_kv_heads;
  if (keys_are_values) {
    JANG_ASSIGN(kv_heads, optional(text, kFullKvHeads, g->n_kv_heads));
  }
  if (g->n_heads % kv_heads != 0)
    return {StatusCode::corrupt,
            fmt::format("config.json: num_attention_heads {} is not a multiple of num_global_key_value_heads {}", g->n_heads, kv_heads)};
  const auto set = [&](Dim d, std::int64_t n) { g->full_sizes[static_cast<std::size_t>(d)] = n; };
  set(Dim::head, head);
  set(Dim::q, g->n_heads * head);
  set(Dim::kv, kv_heads * head);
  g->full_values = !keys_are_values;
  return {};
}

// The last layers read the keys and values of the last layer of their kind that has some.
Status read_shared_keys(const json::Value& text, Geometry* g) {
  JANG_ASSIGN(const std::int64_t shared, optional(text, kSharedLayers, 0));
  if (shared > 0) {
    g->first_shared = g->n_layers - static_cast<int>(shared);
    for (int l = std::max(g->first_shared, 0); l < g->n_layers; ++l) {
      const auto of_kind = std::find(g->full_layers.begin(), g->full_layers.begin() + std::max(g->first_shared, 0),
                                     static_cast<bool>(g->full_layers[static_cast<std::size_t>(l)]));
      if (g->first_shared < 1 || of_kind == g->full_layers.begin() + g->first_shared)
        return {StatusCode::corrupt,
                fmt::format("config.json: num_kv_shared_layers is {}, and no layer before them has keys for layer {}", shared, l)};
    }
  }
  JANG_ASSIGN(const bool wide, json::get_bool(text, "use_double_wide_mlp", false));
  if (wide) g->shared_ffn = 2 * g->size(Dim::ffn);
  return {};
}

Status read_layer_kinds(const json::Value& text, Geometry* g) {
  JANG_ASSIGN(const bool mixture, json::get_bool(text, "enable_moe_block", false));
  if (!mixture) g->n_experts = 0;
  JANG_ASSIGN(const std::int64_t ffn, required(text, kFfn));  // of the MLP that every layer has
  g->set(Dim::ffn, ffn);
  JANG_TRY(read_full_heads(text, g));
  JANG_TRY(read_shared_keys(text, g));
  JANG_ASSIGN(const std::int64_t input, optional(text, kLayerInput, 0));
  if (input == 0) return {};
  JANG_ASSIGN(const std::int64_t vocab, required(text, kLayerVocab));
  g->set(Dim::layer_input, input);
  g->set(Dim::layer_inputs, g->n_layers * input);
  g->set(Dim::layer_vocab, vocab);
  return {};
}

}  // namespace

std::int64_t Geometry::size(Dim d, int layer) const {
  if (layer < 0) return size(d);
  if (d == Dim::ffn && shared_ffn > 0 && layer >= first_shared) return shared_ffn;
  const std::int64_t of_full = full_sizes[static_cast<std::size_t>(d)];
  return of_full > 0 && full_layers[static_cast<std::size_t>(layer)] ? of_full : size(d);
}

bool Geometry::has(When when, int layer) const {
  const bool delta = full_attention_interval > 0 && (layer + 1) % full_attention_interval != 0;
  const bool conv = !conv_layers.empty() && layer >= 0 && conv_layers[static_cast<std::size_t>(layer)];
  const bool held_dense = !dense_only.empty() && layer >= 0 && dense_only[static_cast<std::size_t>(layer)];
  const bool mamba = !mamba_layers.empty() && layer >= 0 && mamba_layers[static_cast<std::size_t>(layer)];
  const bool attention = !delta && !conv && !mamba && may_be(LayerKind::attention, layer);
  const bool moe = n_experts > 0 && !held_dense && (layer + 1) % sparse_step == 0 && may_be(LayerKind::moe, layer);
  switch (when) {
    case When::always: return true;
    case When::untied: return !tied;
    case When::attention_bias: return attention_bias;
    case When::qk_norm: return qk_norm;
    case When::attention_out_bias: return attention_out_bias;
    case When::mlp_bias: return mlp_bias;
    case When::dense_layer: return !moe && may_be(LayerKind::dense, layer);
    case When::moe_layer: return moe;
    case When::shared_expert: return moe && size(Dim::shared_ffn) > 0;
    case When::corrected_router: return moe && expert_bias;
    case When::delta_layer: return delta;
    case When::conv_layer: return conv;
    case When::mamba_layer: return mamba;
    case When::mamba_conv_bias: return mamba && mamba_conv_bias;
    case When::mamba_bias: return mamba && mamba_bias;
    case When::attention_layer: return attention;
    case When::attention_layer_bias: return attention && attention_bias;
    case When::latent_queries: return latent && size(Dim::q_rank) > 0;
    case When::direct_queries: return latent && size(Dim::q_rank) == 0;
    case When::own_keys: return layer < first_shared;
    case When::own_values: return layer < first_shared && (full_values || !full_layers[static_cast<std::size_t>(layer)]);
    case When::layer_inputs: return size(Dim::layer_input) > 0;
    case When::latent_queries_bias: return latent && size(Dim::q_rank) > 0 && attention_bias;
  }
  return false;
}

Result<Geometry> read_geometry(const json::Value& text, std::uint16_t reads) {
  Geometry g;
  g.set(Dim::one, 1);
  JANG_ASSIGN(const std::int64_t n_layers, required(text, kLayers));
  g.n_layers = static_cast<int>(n_layers);
  JANG_ASSIGN(const std::int64_t vocab, required(text, kVocab));
  g.set(Dim::vocab, vocab);
  if (reads & kReadsMamba) JANG_TRY(read_mamba(text, &g));
  const bool attends = g.kinds.empty() || std::ranges::find(g.kinds, LayerKind::attention) != g.kinds.end();
  if (attends) {
    JANG_TRY((reads & kReadsLatent) ? read_latent(text, &g) : read_attention(text, &g));
  } else {
    JANG_ASSIGN(const std::int64_t hidden, required(text, kHidden));
    g.set(Dim::hidden, hidden);
  }
  const bool no_mixture =
      !g.kinds.empty() && std::ranges::find(g.kinds, LayerKind::moe) == g.kinds.end();  // whatever numbers it would have
  if ((reads & kReadsMoe) && !no_mixture) JANG_TRY(read_moe(text, reads, &g));
  if (reads & kReadsDelta) JANG_TRY(read_delta(text, &g));
  if (reads & kReadsShortConv) JANG_TRY(read_short_conv(text, &g));
  if (reads & kReadsLayerKinds) JANG_TRY(read_layer_kinds(text, &g));
  bool any_dense = false;
  for (int layer = 0; layer < g.n_layers; ++layer) any_dense = any_dense || g.has(When::dense_layer, layer);
  if (any_dense) {
    JANG_ASSIGN(const std::int64_t ffn, required(text, json::find(text, kDenseFfn.key) != nullptr ? kDenseFfn : kFfn));
    g.set(Dim::ffn, ffn);
    g.set(Dim::gate_up, 2 * ffn);
  }
  return g;
}

std::string_view attention_kind(std::int64_t n_heads, std::int64_t n_kv_heads) {
  if (n_kv_heads == n_heads) return "mha";
  return n_kv_heads == 1 ? "mqa" : "gqa";
}

}  // namespace jang::arch
