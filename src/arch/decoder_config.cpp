// SPDX-License-Identifier: Apache-2.0
// From the config of a described model to the numbers of the graph. Sizes come from the same geometry that bound the tensors, so that graph
// and weights cannot disagree.
#include "arch/decoder_config.h"

#include <fmt/format.h>

#include <cmath>

#include "arch/family.h"
#include "arch/geometry.h"
#include "arch/registry.h"

namespace jang::arch {
namespace {

constexpr std::int64_t kMaxPositions = std::int64_t{1} << 40;

Status corrupt(std::string message) { return {StatusCode::corrupt, "config.json: " + std::move(message)}; }

// The object with the language model's numbers.
const json::Value& text_of(const Family& family, const json::Value& config) {
  const json::Value* text = family.text_config ? json::find(config, "text_config") : nullptr;
  return text != nullptr ? *text : config;
}

void copy_sizes(const Geometry& g, DecoderConfig* c) {
  c->hidden = g.size(Dim::hidden);
  c->vocab = g.size(Dim::vocab);
  c->ffn = g.size(Dim::ffn);
  c->n_heads = g.n_heads;
  c->n_kv_heads = g.n_kv_heads;
  c->head_dim = g.size(Dim::head);
  c->delta.key_heads = g.size(Dim::delta_key_heads);
  c->delta.value_heads = g.size(Dim::delta_heads);
  c->delta.key_dim = g.size(Dim::delta_head_k);
  c->delta.value_dim = g.size(Dim::delta_head_v);
  c->delta.conv_kernel = g.size(Dim::conv_kernel);
}

Result<Activation> read_activation(const Traits& traits, const json::Value& text) {
  JANG_ASSIGN(const std::string name, json::get_string(text, traits.activation_key, traits.activation));
  if (name == "silu" || name == "swish") return Activation::silu;
  if (name == "gelu_pytorch_tanh" || name == "gelu_new" || name == "gelu_fast") return Activation::gelu_tanh;
  return Status(StatusCode::unsupported, fmt::format("config.json: '{}' {} is not supported by the engine (silu and gelu_pytorch_tanh are)",
                                                     traits.activation_key, json::quote(name)));
}

// A cap is a positive number; absent or null: none.
Result<float> read_softcap(const json::Value& text, const char* key) {
  JANG_ASSIGN(const double cap, json::get_number(text, key, 0));
  if (json::find(text, key) == nullptr) return 0.0f;
  if (!(cap > 0) || cap > 1e6) return corrupt(fmt::format("'{}' is {}, expected a number above 0", key, cap));
  return static_cast<float>(cap);
}

Status read_formulas(const Traits& traits, const json::Value& text, DecoderConfig* c) {
  JANG_ASSIGN(const double eps, json::get_number(text, "rms_norm_eps", 1e-6));
  if (!(eps >= 0) || eps > 1) return corrupt(fmt::format("'rms_norm_eps' is {}, expected 0 to 1", eps));
  c->norm_eps = static_cast<float>(eps);
  c->norm_offset = traits.norm_offset;
  c->four_norms = traits.four_norms;
  c->qk_norm = traits.qk_norm;
  c->gated_attention = traits.gated_attention;
  c->delta.interleaved = traits.delta_interleaved;
  JANG_ASSIGN(c->activation, read_activation(traits, text));
  if (traits.scales_embedding) c->embedding_scale = static_cast<float>(std::sqrt(static_cast<double>(c->hidden)));
  double scale_of = static_cast<double>(c->head_dim);
  if (traits.query_pre_attn_scalar) {
    JANG_ASSIGN(scale_of, json::get_number(text, "query_pre_attn_scalar", scale_of));
    if (!(scale_of > 0) || scale_of > 1e9) return corrupt(fmt::format("'query_pre_attn_scalar' is {}", scale_of));
  }
  c->attention_scale = static_cast<float>(1.0 / std::sqrt(scale_of));
  if (traits.attention_softcap) {
    JANG_ASSIGN(c->attention_softcap, read_softcap(text, "attn_logit_softcapping"));
  }
  if (traits.logit_softcap) {
    JANG_ASSIGN(c->logit_softcap, read_softcap(text, "final_logit_softcapping"));
  }
  JANG_ASSIGN(const bool bidirectional, json::get_bool(text, "use_bidirectional_attention", false));
  if (bidirectional)
    return {StatusCode::unsupported, "config.json: use_bidirectional_attention: an embedding model, the engine runs causal decoders"};
  JANG_ASSIGN(c->max_positions, json::get_int(text, "max_position_embeddings", traits.max_positions, 1, kMaxPositions));
  return {};
}

Status read_moe(const Traits& traits, const Geometry& g, const json::Value& text, DecoderConfig* c) {
  c->sparse.resize(static_cast<std::size_t>(g.n_layers));
  bool any = false;
  for (int l = 0; l < g.n_layers; ++l) any = (c->sparse[static_cast<std::size_t>(l)] = g.has(When::moe_layer, l)) || any;
  if (!any) return {};
  c->moe.n_experts = g.n_experts;
  c->moe.ffn = g.size(Dim::expert_ffn);
  c->moe.shared_ffn = g.size(Dim::shared_ffn);
  JANG_ASSIGN(c->moe.norm_topk, json::get_bool(text, "norm_topk_prob", false));
  if (traits.always_norm_topk) c->moe.norm_topk = true;
  JANG_ASSIGN(c->moe.top_k, json::get_int(text, "num_experts_per_tok", 8, 1, 4096));
  if (c->moe.top_k > c->moe.n_experts)
    return corrupt(fmt::format("num_experts_per_tok is {}, num_experts only {}", c->moe.top_k, c->moe.n_experts));
  return {};
}

// True when layer_types calls layer `l` sliding. Precondition: checked by check_layer_types.
bool is_sliding(const json::Value& types, int l) { return types[static_cast<std::size_t>(l)] == "sliding_attention"; }

Status check_layer_types(const json::Value& types, int n_layers) {
  if (!types.is_array() || types.size() != static_cast<std::size_t>(n_layers))
    return corrupt(fmt::format("layer_types must list the kind of each of the {} layers", n_layers));
  for (const json::Value& t : types)
    if (!t.is_string() || (t != "sliding_attention" && t != "full_attention" && t != "linear_attention"))
      return {StatusCode::unsupported,
              fmt::format("config.json: layer type {} is not supported by the engine", json::quote(json::dump(t)))};
  return {};
}

struct Sliding {
  bool on = false;  // the config has a window at all
  const json::Value* types = nullptr;
  std::int64_t first = 0;   // by_layer without types: sliding from here on
  std::int64_t period = 0;  // pattern without types: every such layer is full
};

Result<Sliding> read_sliding(const Traits& traits, const json::Value& text) {
  Sliding s;
  const bool by_flag = traits.window == WindowRule::flagged || traits.window == WindowRule::by_layer;
  JANG_ASSIGN(const bool flag, json::get_bool(text, "use_sliding_window", false));
  const bool null_window = text.contains("sliding_window") && json::find(text, "sliding_window") == nullptr;
  s.on = traits.window != WindowRule::none && !null_window && (flag || !by_flag);
  if (traits.window == WindowRule::by_layer || traits.window == WindowRule::pattern) s.types = json::find(text, "layer_types");
  JANG_ASSIGN(s.first, json::get_int(text, "max_window_layers", 28, 0, 1 << 20));
  JANG_ASSIGN(s.period, json::get_int(text, "sliding_window_pattern", 6, 1, 1 << 20));
  return s;
}

Status read_layers(const Traits& traits, const Geometry& g, const json::Value& text, DecoderConfig* c) {
  JANG_ASSIGN(const Sliding s, read_sliding(traits, text));
  if (s.types != nullptr) JANG_TRY(check_layer_types(*s.types, g.n_layers));
  bool any = false;
  for (int l = 0; l < g.n_layers; ++l) {
    const bool here = s.types != nullptr                      ? is_sliding(*s.types, l)
                      : traits.window == WindowRule::by_layer ? l >= s.first
                      : traits.window == WindowRule::pattern  ? (l + 1) % s.period != 0
                                                              : true;
    const bool sliding = s.on && here;
    any = any || sliding;
    c->layers.push_back(g.has(When::delta_layer, l) ? LayerKind::gated_delta
                        : sliding                   ? LayerKind::sliding_attention
                                                    : LayerKind::full_attention);
    if (s.types != nullptr && here && !s.on) return corrupt(fmt::format("layer {} slides, but there is no sliding window", l));
  }
  if (!any) return {};
  JANG_ASSIGN(c->window, json::get_int(text, "sliding_window", traits.default_window, 1, kMaxPositions));
  return {};
}

// Where each kind of layer has its RoPE: one flat object (rope_scaling where it has anything in it, else rope_parameters), or one object
// per kind, rope_scaling laid over that of full attention.
Status read_ropes(const Traits& traits, const json::Value& text, DecoderConfig* c) {
  const json::Value* scaling = json::find(text, "rope_scaling");
  const json::Value* parameters = json::find(text, "rope_parameters");
  if (parameters != nullptr && !parameters->is_object()) return corrupt("rope_parameters must be an object");
  if (scaling != nullptr && !scaling->is_object()) return corrupt("rope_scaling must be an object");
  const bool by_kind = traits.local_theta != 0;
  RopeDefaults defaults{traits.theta, traits.partial_rotary, traits.reads_partial_rotary, c->max_positions, !by_kind};
  if (!by_kind) {
    JANG_ASSIGN(c->rope,
                read_rope(scaling != nullptr && !scaling->empty() ? scaling : parameters, text, "rope_theta", c->head_dim, defaults));
    c->local_rope = c->rope;
    return {};
  }
  const json::Value* full = parameters != nullptr ? json::find(*parameters, "full_attention") : nullptr;
  const json::Value* local = parameters != nullptr ? json::find(*parameters, "sliding_attention") : nullptr;
  json::Value of_full = full != nullptr ? *full : json::Value::object();
  if (!of_full.is_object()) return corrupt("rope_parameters.full_attention must be an object");
  if (scaling != nullptr) of_full.update(*scaling);
  JANG_ASSIGN(c->rope, read_rope(&of_full, text, "rope_theta", c->head_dim, defaults));
  defaults.theta = traits.local_theta;
  JANG_ASSIGN(c->local_rope, read_rope(local, text, "rope_local_base_freq", c->head_dim, defaults));
  return {};
}

}  // namespace

Result<DecoderConfig> decoder_config(const Model& described) {
  const Family* family = find_family(described.model_type);
  if (family == nullptr)
    return Status(StatusCode::unsupported, fmt::format("the engine has no graph for model_type {}; it can be converted, not run",
                                                       json::quote(described.model_type)));
  const json::Value& text = text_of(*family, described.config);
  if (!text.is_object()) return corrupt("text_config must be an object");
  JANG_ASSIGN(const Geometry geometry, read_geometry(text, family->reads));
  DecoderConfig config;
  config.family = family->name;
  config.tied = described.tied;
  copy_sizes(geometry, &config);
  JANG_TRY(read_formulas(family->traits, text, &config));
  JANG_TRY(read_moe(family->traits, geometry, text, &config));
  JANG_TRY(read_layers(family->traits, geometry, text, &config));
  JANG_TRY(read_ropes(family->traits, text, &config));
  return config;
}

}  // namespace jang::arch
