// SPDX-License-Identifier: Apache-2.0
// Binds a whole decoder, layer by layer, and lists its maps.
#include "model/graph.h"

#include <fmt/format.h>

#include "model/bind.h"

namespace jang::model {
namespace {

constexpr float kRootOfHalf = 0.70710678118654752f;

// The block of every spec.
Status bind_part(Binder& binder, const std::string& prefix, const arch::AttentionSpec& spec, Layer* layer) {
  return bind_block(binder, prefix + "self_attn.", spec, &layer->mixer.emplace<Attention>());
}
Status bind_part(Binder& binder, const std::string& prefix, const arch::DeltaSpec& spec, Layer* layer) {
  return bind_block(binder, prefix + "linear_attn.", spec, &layer->mixer.emplace<GatedDelta>());
}
Status bind_part(Binder& binder, const std::string& prefix, const arch::LatentSpec& spec, Layer* layer) {
  return bind_block(binder, prefix + "self_attn.", spec, &layer->mixer.emplace<LatentAttention>());
}
Status bind_part(Binder& binder, const std::string& prefix, const arch::ShortConvSpec& spec, Layer* layer) {
  return bind_block(binder, prefix + "conv.", spec, &layer->mixer.emplace<ShortConv>());
}
Status bind_part(Binder& binder, const std::string& prefix, const arch::MambaSpec& spec, Layer* layer) {
  return bind_block(binder, prefix + "mamba.", spec, &layer->mixer.emplace<Mamba>());
}
Status bind_part(Binder&, const std::string&, const arch::NoMixer& spec, Layer* layer) {
  layer->mixer = spec;
  return {};
}
Status bind_part(Binder&, const std::string&, const arch::NoFfn& spec, Layer* layer) {
  layer->ffn = spec;
  return {};
}
Status bind_part(Binder& binder, const std::string& prefix, const arch::MlpSpec& spec, Layer* layer) {
  return bind_block(binder, prefix + "mlp.", spec, &layer->ffn.emplace<Mlp>());
}
Status bind_part(Binder& binder, const std::string& prefix, const arch::ExpertsSpec& spec, Layer* layer) {
  return bind_block(binder, prefix + "mlp.", spec, &layer->ffn.emplace<Experts>());
}
Status bind_part(Binder& binder, const std::string& prefix, const arch::MlpAndExpertsSpec& spec, Layer* layer) {
  return bind_block(binder, prefix, spec, &layer->ffn.emplace<MlpAndExperts>());
}

// `scale`: of what the norm gives.
Status bind_norm(Binder& binder, const std::string& module, float scale, NormWeights* norm) {
  JANG_TRY(binder.vector(module + ".weight", binder.hidden(), &norm->weight, scale, binder.norm().offset));
  return binder.has_vector(module + ".bias") ? binder.vector(module + ".bias", binder.hidden(), &norm->bias, scale) : Status();
}

// `own`: the feed-forward normalises what it reads by itself.
Status bind_norms(Binder& binder, const std::string& prefix, arch::Norms norms, bool own, Layer* layer) {
  using enum arch::Norms;
  layer->norms = norms;
  if (norms != after) JANG_TRY(bind_norm(binder, prefix + "input_layernorm", 1, &layer->mixer_norm));
  if (norms == before || norms == parallel_apart) return bind_norm(binder, prefix + "post_attention_layernorm", 1, &layer->ffn_norm);
  if (norms == parallel || norms == single) return {};
  JANG_TRY(binder.vector(prefix + "post_attention_layernorm.weight", binder.hidden(), &layer->mixer_out_norm));
  if (norms == around && !own) JANG_TRY(bind_norm(binder, prefix + "pre_feedforward_layernorm", 1, &layer->ffn_norm));
  return binder.vector(prefix + "post_feedforward_layernorm.weight", binder.hidden(), &layer->ffn_out_norm);
}

Status bind_input(Binder& binder, const std::string& prefix, const arch::LayerInputSpec& spec, LayerInput* input) {
  input->spec = spec;
  JANG_TRY(binder.take(prefix + "per_layer_input_gate", spec.size, binder.hidden(), binder.precision(), &input->gate));
  JANG_TRY(binder.take(prefix + "per_layer_projection", binder.hidden(), spec.size, binder.precision(), &input->projection));
  return binder.vector(prefix + "post_per_layer_input_norm.weight", binder.hidden(), &input->norm);
}

// The sum of the two is divided by sqrt(2): so are the gain here and DecoderConfig::layer_embedding_scale.
Status bind_layer_inputs(Binder& binder, const arch::DecoderConfig& config, Graph* graph) {
  if (config.layer_inputs == 0) return {};
  if (config.layer_vocab < config.vocab) return refuse("model.embed_tokens_per_layer", "tokens without a row in this table");
  JANG_TRY(binder.take("model.embed_tokens_per_layer", config.layer_vocab, config.layer_inputs, kernels::Precision::exact,
                       &graph->layer_embedding));
  JANG_TRY(
      binder.take("model.per_layer_model_projection", config.layer_inputs, config.hidden, binder.precision(), &graph->layer_projection));
  return binder.vector("model.per_layer_projection_norm.weight", config.layer_inputs / config.n_layers(), &graph->layer_input_norm,
                       kRootOfHalf);
}

Status bind_layer(Binder& binder, const std::string& prefix, const arch::LayerSpec& spec, Layer* layer) {
  if (binder.norm().centred && (spec.norms == arch::Norms::around || spec.norms == arch::Norms::after))
    return refuse(prefix + "post_attention_layernorm", "a centred norm of what a block writes");
  const bool own_norms = std::holds_alternative<arch::MlpAndExpertsSpec>(spec.ffn);
  if (own_norms && spec.norms != arch::Norms::around) return refuse(prefix + "mlp", "an MLP beside experts without a norm around both");
  JANG_TRY(bind_norms(binder, prefix, spec.norms, own_norms, layer));
  if (spec.input) JANG_TRY(bind_input(binder, prefix, *spec.input, &layer->input.emplace()));
  if (spec.scaled) {
    JANG_TRY(binder.device().check(kernels::RowFactors{}).with_context("'" + prefix + "layer_scalar'"));
    JANG_TRY(binder.repeated(prefix + "layer_scalar", binder.hidden(), &layer->scalar));
  }
  const auto bind = [&](const auto& part) { return bind_part(binder, prefix, part, layer); };
  JANG_TRY(std::visit(bind, spec.mixer));
  return std::visit(bind, spec.ffn);
}

void add_maps(std::initializer_list<Linear*> some, std::vector<Linear*>* maps) {
  for (Linear* map : some)
    if (map->exists()) maps->push_back(map);
}
void add_maps(Attention& b, std::vector<Linear*>* maps) { add_maps({&b.qkv, &b.q, &b.k, &b.v, &b.o}, maps); }
void add_maps(GatedDelta& b, std::vector<Linear*>* maps) { add_maps({&b.qkv, &b.z, &b.b, &b.a, &b.qkvz, &b.ba, &b.out}, maps); }
void add_maps(LatentAttention& b, std::vector<Linear*>* maps) { add_maps({&b.q, &b.q_a, &b.q_b, &b.kv_a, &b.kv_b, &b.o}, maps); }
void add_maps(ShortConv& b, std::vector<Linear*>* maps) { add_maps({&b.in, &b.out}, maps); }
void add_maps(Mamba& b, std::vector<Linear*>* maps) { add_maps({&b.in, &b.out}, maps); }
void add_maps(arch::NoMixer&, std::vector<Linear*>*) {}
void add_maps(arch::NoFfn&, std::vector<Linear*>*) {}
void add_maps(Mlp& b, std::vector<Linear*>* maps) { add_maps({&b.gate_up, &b.gate, &b.up, &b.down}, maps); }
void add_maps(Experts& b, std::vector<Linear*>* maps) {
  add_maps({&b.router, &b.gate, &b.up, &b.down, &b.shared_router}, maps);
  add_maps(b.shared, maps);
}
void add_maps(MlpAndExperts& b, std::vector<Linear*>* maps) {
  add_maps(b.mlp, maps);
  add_maps(b.experts, maps);
}

}  // namespace

Result<Graph> bind_graph(const arch::DecoderConfig& config, kernels::Device& device, kernels::Precision precision, Weights* weights) {
  Graph graph;
  Binder binder(config, device, precision, *weights, graph.vectors);
  graph.layers.resize(config.layers.size());
  // The embedding is looked up; only as head it is a map like the others.
  const auto lookup = config.tied ? precision : kernels::Precision::exact;
  JANG_TRY(binder.take("model.embed_tokens", config.vocab, config.hidden, lookup, &graph.embedding));
  JANG_TRY(bind_layer_inputs(binder, config, &graph));
  for (std::size_t l = 0; l < graph.layers.size(); ++l)
    JANG_TRY(bind_layer(binder, fmt::format("model.layers.{}.", l), config.layers[l], &graph.layers[l]));
  // The head is linear: what multiplies the logits multiplies what it reads.
  JANG_TRY(bind_norm(binder, "model.norm", config.logit_scale, &graph.final_norm));
  if (!config.tied) JANG_TRY(binder.take("lm_head", config.vocab, config.hidden, precision, &graph.head));
  JANG_TRY(binder.check_leftovers());
  return graph;
}

std::vector<Linear*> maps_of(Layer* layer) {
  std::vector<Linear*> maps;
  const auto add = [&](auto& block) { add_maps(block, &maps); };
  std::visit(add, layer->mixer);
  std::visit(add, layer->ffn);
  if (layer->input) add_maps({&layer->input->gate, &layer->input->projection}, &maps);
  return maps;
}

std::vector<Linear*> maps_of(Graph* graph) {
  std::vector<Linear*> maps;
  add_maps({&graph->embedding, &graph->layer_embedding, &graph->layer_projection}, &maps);
  for (Layer& layer : graph->layers) {
    const std::vector<Linear*> its = maps_of(&layer);
    maps.insert(maps.end(), its.begin(), its.end());
  }
  add_maps({&graph->head}, &maps);
  return maps;
}

}  // namespace jang::model
