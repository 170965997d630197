// SPDX-License-Identifier: Apache-2.0
// From the config of a described model to the numbers of the graph: the model's, those of the blocks, then layer by layer. Sizes come from
// the same geometry that bound the tensors, so that graph and weights cannot disagree.
#include "arch/decoder_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "arch/family.h"
#include "arch/geometry.h"
#include "arch/registry.h"

namespace jang::arch {
namespace {

constexpr std::int64_t kMaxPositions = std::int64_t{1} << 40;
constexpr int kLocalRope = 1;  // of sliding layers, where the family has one for them

Status corrupt(std::string message) { return {StatusCode::corrupt, "config.json: " + std::move(message)}; }

// The object with the language model's numbers.
const json::Value& text_of(const Family& family, const json::Value& config) {
  const json::Value* text = family.text_config ? json::find(config, "text_config") : nullptr;
  return text != nullptr ? *text : config;
}

Result<Activation> read_activation(const Traits& traits, const json::Value& text) {
  JANG_ASSIGN(const std::string name, json::get_string(text, traits.activation_key, traits.activation));
  if (name == "silu" || name == "swish") return Activation::silu;
  if (name == "gelu_pytorch_tanh" || name == "gelu_new" || name == "gelu_fast") return Activation::gelu_tanh;
  if (name == "gelu") return Activation::gelu;
  if (name == "relu2") return Activation::relu2;
  return Status(StatusCode::unsupported,
                fmt::format("config.json: '{}' {} is not supported by the engine (silu, gelu, gelu_pytorch_tanh and relu2 are)",
                            traits.activation_key, json::quote(name)));
}

// A cap is a positive number; absent or null: none.
Result<float> read_softcap(const json::Value& text, const char* key) {
  JANG_ASSIGN(const double cap, json::get_number(text, key, 0));
  if (json::find(text, key) == nullptr) return 0.0f;
  if (!(cap > 0) || cap > 1e6) return corrupt(fmt::format("'{}' is {}, expected a number above 0", key, cap));
  return static_cast<float>(cap);
}

Status read_model(const Traits& traits, const Geometry& g, const json::Value& text, DecoderConfig* c) {
  c->hidden = g.size(Dim::hidden);
  c->vocab = g.size(Dim::vocab);
  const std::string eps_key(traits.norm_eps_key);
  JANG_ASSIGN(const double eps, json::get_number(text, eps_key.c_str(), 1e-6));
  if (!(eps >= 0) || eps > 1) return corrupt(fmt::format("'{}' is {}, expected 0 to 1", eps_key, eps));
  c->norm = {static_cast<float>(eps), traits.norm_offset, traits.centred_norms};
  if (traits.scales_embedding) c->embedding_scale = static_cast<float>(std::sqrt(static_cast<double>(c->hidden)));
  if (traits.logit_softcap) {
    JANG_ASSIGN(c->logit_softcap, read_softcap(text, "final_logit_softcapping"));
  }
  const json::Value* bidirectional = json::find(text, "use_bidirectional_attention");  // Gemma 4: "vision" is among pictures only
  if (bidirectional != nullptr && *bidirectional != false && *bidirectional != "vision")
    return {StatusCode::unsupported, "config.json: use_bidirectional_attention: an embedding model, the engine runs causal decoders"};
  c->layer_inputs = g.size(Dim::layer_inputs);
  c->layer_vocab = g.size(Dim::layer_vocab);
  c->layer_embedding_scale = std::sqrt(static_cast<float>(g.size(Dim::layer_input)) / 2);
  JANG_ASSIGN(c->max_positions, json::get_int(text, "max_position_embeddings", traits.max_positions, 1, kMaxPositions));
  return {};
}

// Of a layer that sees everything.
Result<AttentionSpec> read_attention(const Traits& traits, const Geometry& g, const json::Value& text) {
  AttentionSpec a;
  a.n_heads = g.n_heads;
  a.n_kv_heads = g.n_kv_heads;
  a.key_dim = a.value_dim = g.size(Dim::head);
  double scale_of = static_cast<double>(a.key_dim);
  if (traits.query_pre_attn_scalar) {
    JANG_ASSIGN(scale_of, json::get_number(text, "query_pre_attn_scalar", scale_of));
    if (!(scale_of > 0) || scale_of > 1e9) return corrupt(fmt::format("'query_pre_attn_scalar' is {}", scale_of));
  }
  a.scale = static_cast<float>(1.0 / std::sqrt(scale_of));
  if (traits.attention_softcap) {
    JANG_ASSIGN(a.softcap, read_softcap(text, "attn_logit_softcapping"));
  }
  a.qk_norm = traits.qk_norm;
  a.qk_norm_of_rows = traits.qk_norm_of_rows;
  a.qk_norm_last = traits.qk_norm_last;
  a.maps = traits.qkv;
  a.gated = traits.gated_attention;
  return a;
}

// YaRN's temperature goes into the scale of the scores where the config has a factor for all dimensions.
Result<LatentSpec> read_latent(const Geometry& g, const json::Value& text) {
  LatentSpec a;
  a.n_heads = g.n_heads;
  a.q_rank = g.size(Dim::q_rank);
  a.kv_rank = g.size(Dim::kv_rank);
  a.nope_dim = g.size(Dim::nope_head);
  a.rope_dim = g.size(Dim::head);
  a.value_dim = g.size(Dim::value_head);
  JANG_ASSIGN(a.interleaved, json::get_bool(text, "rope_interleave", true));
  double scale = 1.0 / std::sqrt(static_cast<double>(a.key_dim()));
  if (const json::Value* rope = json::find(text, "rope_scaling"); rope != nullptr && rope->is_object()) {
    JANG_ASSIGN(const double factor, json::get_number(*rope, "factor", 1));
    JANG_ASSIGN(const double all, json::get_number(*rope, "mscale_all_dim", 0));
    const double temperature = factor > 1 ? 0.1 * all * std::log(factor) + 1.0 : 1.0;
    if (all != 0) scale *= temperature * temperature;
  }
  if (!(scale > 0) || scale > 1e9) return corrupt(fmt::format("the scale of attention scores is {}", scale));
  a.scale = static_cast<float>(scale);
  return a;
}

DeltaSpec delta_of(const Traits& traits, const Geometry& g) {
  return {g.size(Dim::delta_key_heads), g.size(Dim::delta_heads), g.size(Dim::delta_head_k),
          g.size(Dim::delta_head_v),    g.size(Dim::conv_kernel), traits.delta_interleaved};
}

// Numbers of the geometry; what they hold for a class's steps and norm its family says.
MambaSpec mamba_of(const Geometry& g, float eps) {
  MambaSpec m;
  m.heads = g.size(Dim::mamba_heads);
  m.head_dim = g.size(Dim::mamba_inner) / m.heads;
  m.groups = g.mamba_groups;
  m.state_dim = (g.size(Dim::mamba_conv) - m.inner()) / 2 / m.groups;
  m.conv_kernel = g.size(Dim::conv_kernel);
  m.eps = eps;
  return m;
}

Result<ExpertsSpec> read_experts(const Traits& traits, const Geometry& g, const json::Value& text, Activation activation) {
  ExpertsSpec e;
  e.n_experts = g.n_experts;
  e.expert = {g.size(Dim::expert_ffn), activation, traits.gated_mlp};
  if (g.size(Dim::shared_ffn) > 0) e.shared = SharedExpert{{g.size(Dim::shared_ffn), activation, traits.gated_mlp}, true};
  JANG_ASSIGN(e.norm_topk, json::get_bool(text, "norm_topk_prob", false));
  if (traits.always_norm_topk) e.norm_topk = true;
  JANG_ASSIGN(e.top_k, json::get_int(text, "num_experts_per_tok", 8, 1, 4096));
  if (e.top_k > e.n_experts) return corrupt(fmt::format("num_experts_per_tok is {}, num_experts only {}", e.top_k, e.n_experts));
  return e;
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
  if (s.types == nullptr) {
    JANG_ASSIGN(s.period, json::get_int(text, "sliding_window_pattern", traits.window_period, 1, 1 << 20));
  }
  return s;
}

// The window of every layer; 0: it sees everything.
Result<std::vector<std::int64_t>> read_windows(const Traits& traits, const Geometry& g, const json::Value& text) {
  JANG_ASSIGN(const Sliding s, read_sliding(traits, text));
  if (s.types != nullptr) JANG_TRY(check_layer_types(*s.types, g.n_layers));
  std::vector<std::int64_t> windows(static_cast<std::size_t>(g.n_layers), 0);
  std::int64_t window = 0;  // read when the first layer asks for it
  for (int l = 0; l < g.n_layers; ++l) {
    const bool here = s.types != nullptr                      ? is_sliding(*s.types, l)
                      : traits.window == WindowRule::by_layer ? l >= s.first
                      : traits.window == WindowRule::pattern  ? (l + 1) % s.period != 0
                                                              : true;
    if (s.types != nullptr && here && !s.on) return corrupt(fmt::format("layer {} slides, but there is no sliding window", l));
    if (!s.on || !here) continue;
    if (window == 0) {
      JANG_ASSIGN(window, json::get_int(text, "sliding_window", traits.default_window, 1, kMaxPositions));
    }
    windows[static_cast<std::size_t>(l)] = window;
  }
  return windows;
}

Status read_layers(const Traits& traits, const Geometry& g, const json::Value& text, DecoderConfig* c) {
  JANG_ASSIGN(const Activation activation, read_activation(traits, text));
  AttentionSpec attention;
  LatentSpec latent;
  if (g.latent) {
    JANG_ASSIGN(latent, read_latent(g, text));
  } else if (g.n_heads > 0) {
    JANG_ASSIGN(attention, read_attention(traits, g, text));
  }
  std::optional<ExpertsSpec> experts;  // read when the first layer asks for them
  for (int l = 0; l < g.n_layers && !experts; ++l) {
    if (!g.has(When::moe_layer, l)) continue;
    JANG_ASSIGN(experts, read_experts(traits, g, text, activation));
  }
  JANG_ASSIGN(const std::vector<std::int64_t> windows, read_windows(traits, g, text));
  for (int l = 0; l < g.n_layers; ++l) {
    LayerSpec layer;
    layer.norms = traits.norms;
    if (g.has(When::delta_layer, l)) {
      layer.mixer = delta_of(traits, g);
    } else if (g.has(When::conv_layer, l)) {
      layer.mixer = ShortConvSpec{g.size(Dim::hidden), g.size(Dim::conv_kernel)};
    } else if (g.has(When::mamba_layer, l)) {
      layer.mixer = mamba_of(g, c->norm.eps);
    } else if (!g.has(When::attention_layer, l)) {
      layer.mixer = NoMixer{};
    } else if (g.latent) {
      layer.mixer = latent;
    } else {
      AttentionSpec& a = layer.mixer.emplace<AttentionSpec>(attention);
      a.key_dim = a.value_dim = g.size(Dim::head, l);
      a.n_kv_heads = g.size(Dim::kv, l) / a.key_dim;
      a.k_is_v = g.has(When::own_keys, l) && !g.has(When::own_values, l);
      // Of the layers with keys of their own the last of the same kind.
      for (int owner = g.first_shared - 1; a.kv_of < 0 && l >= g.first_shared && owner >= 0; --owner)
        if (g.full_layers[static_cast<std::size_t>(owner)] == g.full_layers[static_cast<std::size_t>(l)]) a.kv_of = owner;
      a.window = windows[static_cast<std::size_t>(l)];
      a.rope = a.window > 0 && traits.local_theta != 0 ? kLocalRope : 0;
    }
    if (!g.kinds.empty()) layer.norms = Norms::single;
    const MlpSpec mlp{g.size(Dim::ffn, l), activation, traits.gated_mlp, traits.fused_mlp};
    if (g.has(When::moe_layer, l))
      layer.ffn = *experts;
    else if (!g.has(When::dense_layer, l))
      layer.ffn = NoFfn{};
    else
      layer.ffn = mlp;
    if (experts && !g.full_layers.empty()) layer.ffn = MlpAndExpertsSpec{mlp, *experts, 1 / std::sqrt(static_cast<float>(c->hidden))};
    if (g.size(Dim::layer_input) > 0) layer.input = LayerInputSpec{g.size(Dim::layer_input), activation};
    c->layers.push_back(layer);
  }
  return {};
}

// Where each kind of layer has its RoPE, the local one behind that of full attention: one flat object (rope_scaling where it has anything
// in it, else rope_parameters), or one object per kind, rope_scaling laid over that of full attention.
Status read_ropes(const Traits& traits, const Geometry& g, const json::Value& text, DecoderConfig* c) {
  if (g.n_heads == 0) return {};  // nothing attends
  const json::Value* scaling = json::find(text, "rope_scaling");
  const json::Value* parameters = json::find(text, "rope_parameters");
  if (parameters != nullptr && !parameters->is_object()) return corrupt("rope_parameters must be an object");
  if (scaling != nullptr && !scaling->is_object()) return corrupt("rope_scaling must be an object");
  const bool by_kind = traits.local_theta != 0;
  RopeDefaults defaults{traits.theta, traits.partial_rotary, traits.reads_partial_rotary, c->max_positions, !by_kind, traits.alpha_rope};
  if (!by_kind) {
    const json::Value* where = scaling != nullptr && !scaling->empty() ? scaling : parameters;
    JANG_ASSIGN(Rope rope, read_rope(where, text, "rope_theta", g.size(Dim::head), defaults));
    c->ropes.push_back(std::move(rope));
    return {};
  }
  const json::Value* full = parameters != nullptr ? json::find(*parameters, "full_attention") : nullptr;
  const json::Value* local = parameters != nullptr ? json::find(*parameters, "sliding_attention") : nullptr;
  json::Value of_full = full != nullptr ? *full : json::Value::object();
  if (!of_full.is_object()) return corrupt("rope_parameters.full_attention must be an object");
  if (scaling != nullptr) of_full.update(*scaling);
  std::int64_t full_head = g.full_sizes[static_cast<std::size_t>(Dim::head)];
  if (full_head == 0) full_head = g.size(Dim::head);
  JANG_ASSIGN(Rope rope, read_rope(&of_full, text, "rope_theta", full_head, defaults));
  defaults.theta = traits.local_theta;
  JANG_ASSIGN(Rope local_rope, read_rope(local, text, "rope_local_base_freq", g.size(Dim::head), defaults));
  c->ropes = {std::move(rope), std::move(local_rope)};
  return {};
}

// What blocks take for granted. The shared code has read checked numbers, a family's own code may not have.
bool possible(const QueryScale& q) { return std::isfinite(q.slope) && q.length > 0 && q.shift >= 0; }
bool possible(const AttentionSpec& a, const std::vector<Rope>& ropes) {
  const bool turned = a.rope != kNoRope;
  if (turned && (a.rope < 0 || static_cast<std::size_t>(a.rope) >= ropes.size())) return false;
  return a.n_kv_heads > 0 && a.n_heads > 0 && a.n_heads % a.n_kv_heads == 0 && a.key_dim > 0 && a.value_dim > 0 && a.window >= 0 &&
         a.chunk >= 0 && possible(a.query_scale) && (!turned || ropes[static_cast<std::size_t>(a.rope)].dims <= a.key_dim);
}
bool possible(const DeltaSpec& d, const std::vector<Rope>&) {
  return d.key_heads > 0 && d.value_heads > 0 && d.value_heads % d.key_heads == 0 && d.key_dim > 0 && d.value_dim > 0 && d.conv_kernel > 1;
}
bool possible(const LatentSpec& a, const std::vector<Rope>& ropes) {
  return a.n_heads > 0 && a.q_rank >= 0 && a.kv_rank > 0 && a.nope_dim > 0 && a.value_dim > 0 && a.rope >= 0 &&
         static_cast<std::size_t>(a.rope) < ropes.size() && ropes[static_cast<std::size_t>(a.rope)].dims == a.rope_dim &&
         possible(a.query_scale);
}
bool possible(const ShortConvSpec& c, const std::vector<Rope>&) { return c.channels > 0 && c.kernel > 1; }
bool possible(const MambaSpec& m, const std::vector<Rope>&) {
  return m.heads > 0 && m.head_dim > 0 && m.groups > 0 && m.heads % m.groups == 0 && m.state_dim > 0 && m.conv_kernel > 1 &&
         m.norm_groups >= 0 && (m.norm_groups == 0 || m.inner() % m.norm_groups == 0) && m.eps >= 0 && m.least_step >= 0 &&
         m.least_step <= m.most_step;
}
bool possible(const NoMixer&, const std::vector<Rope>&) { return true; }
bool possible(const NoFfn&) { return true; }
bool possible(const MlpSpec& m) { return m.ffn > 0 && m.clamp >= 0; }
bool possible(const ExpertsSpec& e) {
  return e.top_k > 0 && e.n_groups > 0 && e.n_experts % e.n_groups == 0 && e.top_groups > 0 && e.top_groups <= e.n_groups &&
         e.top_k <= e.n_experts / e.n_groups * e.top_groups && e.weights_scale > 0 && possible(e.expert) &&
         (!e.shared || possible(e.shared->mlp));
}

bool possible(const MlpAndExpertsSpec& both) { return possible(both.mlp) && possible(both.experts); }

// Keys and values of another layer: an earlier one, with heads of the same numbers and keys of its own.
bool shares_possible_keys(const DecoderConfig& c, int l) {
  const auto* reader = std::get_if<AttentionSpec>(&c.layers[static_cast<std::size_t>(l)].mixer);
  if (reader == nullptr || reader->kv_of < 0) return true;
  if (reader->kv_of >= l) return false;
  const auto* owner = std::get_if<AttentionSpec>(&c.layers[static_cast<std::size_t>(reader->kv_of)].mixer);
  return owner != nullptr && owner->kv_of < 0 && owner->n_kv_heads == reader->n_kv_heads && owner->key_dim == reader->key_dim &&
         owner->value_dim == reader->value_dim && owner->window == reader->window;
}

Status check_layers(const DecoderConfig& c) {
  for (int l = 0; l < c.n_layers(); ++l) {
    const LayerSpec& layer = c.layers[static_cast<std::size_t>(l)];
    const std::int64_t input = layer.input ? layer.input->size : 0;
    if (input * c.n_layers() != c.layer_inputs) return corrupt(fmt::format("layer {} reads no part of the per-layer inputs", l));
    if (!shares_possible_keys(c, l)) return corrupt(fmt::format("layer {} reads keys that no layer before it has", l));
    const bool one = std::holds_alternative<NoMixer>(layer.mixer) != std::holds_alternative<NoFfn>(layer.ffn);
    const bool none = std::holds_alternative<NoMixer>(layer.mixer) && std::holds_alternative<NoFfn>(layer.ffn);
    if (none || one != (layer.norms == Norms::single) ||
        !std::visit([&](const auto& mixer) { return possible(mixer, c.ropes); }, layer.mixer) ||
        !std::visit([](const auto& ffn) { return possible(ffn); }, layer.ffn))
      return corrupt(fmt::format("the numbers of layer {} do not make a {} layer", l, c.family));
  }
  return {};
}

}  // namespace

bool DecoderConfig::layers_stand_alone() const {
  return layer_inputs == 0 && std::ranges::none_of(layers, [](const LayerSpec& layer) {
           const auto* attention = std::get_if<AttentionSpec>(&layer.mixer);
           return attention != nullptr && attention->kv_of >= 0;
         });
}

Result<DecoderConfig> decoder_config(const Family& family, const Model& described) {
  const json::Value& text = text_of(family, described.config);
  if (!text.is_object()) return corrupt("text_config must be an object");
  JANG_ASSIGN(const Geometry geometry, read_geometry(text, family.reads));
  DecoderConfig config;
  config.family = family.name;
  config.tied = described.tied;
  JANG_TRY(read_model(family.traits, geometry, text, &config));
  JANG_TRY(read_layers(family.traits, geometry, text, &config));
  JANG_TRY(read_ropes(family.traits, geometry, text, &config));
  for (Rope& rope : config.ropes) {
    rope.interleaved = family.traits.interleaved_rope;
    if (rope.context > 0) config.max_positions = std::min(config.max_positions, rope.context);
  }
  if (family.specify != nullptr) JANG_TRY(family.specify(text, &config));
  JANG_TRY(check_layers(config));
  return config;
}

Result<DecoderConfig> decoder_config(const Model& described) {
  const Family* family = family_of(described.config);
  if (family == nullptr)
    return Status(StatusCode::unsupported, fmt::format("the engine has no graph for model_type {}; it can be converted, not run",
                                                       json::quote(described.model_type)));
  return decoder_config(*family, described);
}

Result<double> read_multiplier(const json::Value& text, const char* key, double fallback) {
  JANG_ASSIGN(const double value, json::get_number(text, key, fallback));
  if (!(value > 1e-6) || value > 1e6) return corrupt(fmt::format("'{}' is {}, expected a number above 1e-6 and at most 1e6", key, value));
  return value;
}

}  // namespace jang::arch
