// SPDX-License-Identifier: Apache-2.0
// Binds a whole decoder, layer by layer, and lists its maps.
#include "model/graph.h"

#include <fmt/format.h>

#include "model/bind.h"

namespace jang::model {
namespace {

Status bind_layer(Binder& binder, int l, Layer* layer) {
  const arch::DecoderConfig& c = binder.config();
  const auto at = static_cast<std::size_t>(l);
  const std::string prefix = fmt::format("model.layers.{}.", l);
  JANG_TRY(binder.vector(prefix + "input_layernorm.weight", c.hidden, &layer->mixer_norm));
  JANG_TRY(binder.vector(prefix + "post_attention_layernorm.weight", c.hidden, c.four_norms ? &layer->mixer_out_norm : &layer->ffn_norm));
  if (c.four_norms) {
    JANG_TRY(binder.vector(prefix + "pre_feedforward_layernorm.weight", c.hidden, &layer->ffn_norm));
    JANG_TRY(binder.vector(prefix + "post_feedforward_layernorm.weight", c.hidden, &layer->ffn_out_norm));
  }
  if (c.layers[at] == arch::LayerKind::gated_delta)
    JANG_TRY(bind_block(binder, prefix, &layer->mixer.emplace<GatedDelta>()));
  else
    JANG_TRY(bind_block(binder, prefix, &layer->mixer.emplace<Attention>()));
  if (c.sparse[at]) return bind_block(binder, prefix, &layer->ffn.emplace<Experts>());
  return bind_block(binder, prefix + "mlp.", c.ffn, &layer->ffn.emplace<Mlp>());
}

Status upload_frequencies(kernels::Device& device, const arch::Rope& rope, Graph* graph, kernels::Tensor* out) {
  const auto half = static_cast<std::int64_t>(rope.inv_freq.size());
  if (half == 0) return {};
  graph->vectors.push_back(device.allocate(half * size_bytes(DType::f32)));
  if (graph->vectors.back() == nullptr) return {StatusCode::out_of_memory, "no memory for the frequencies of RoPE"};
  *out = {graph->vectors.back().get(), 0, DType::f32, 1, half, half};
  return device.write(rope.inv_freq.data(), *out);
}

void add_maps(std::initializer_list<Linear*> some, std::vector<Linear*>* maps) {
  for (Linear* map : some)
    if (map->exists()) maps->push_back(map);
}
void add_maps(Attention& b, std::vector<Linear*>* maps) { add_maps({&b.q, &b.k, &b.v, &b.o}, maps); }
void add_maps(GatedDelta& b, std::vector<Linear*>* maps) { add_maps({&b.qkv, &b.z, &b.b, &b.a, &b.qkvz, &b.ba, &b.out}, maps); }
void add_maps(Mlp& b, std::vector<Linear*>* maps) { add_maps({&b.gate, &b.up, &b.down}, maps); }
void add_maps(Experts& b, std::vector<Linear*>* maps) {
  add_maps({&b.router, &b.gate, &b.up, &b.down, &b.shared_router}, maps);
  add_maps(b.shared, maps);
}

}  // namespace

Result<Graph> bind_graph(const arch::DecoderConfig& config, kernels::Device& device, kernels::Precision precision, Weights* weights) {
  Graph graph;
  Binder binder(config, device, precision, *weights, graph.vectors);
  graph.layers.resize(config.layers.size());
  // The embedding is looked up; only as head it is a map like the others.
  const auto lookup = config.tied ? precision : kernels::Precision::exact;
  JANG_TRY(binder.take("model.embed_tokens", config.vocab, config.hidden, lookup, &graph.embedding));
  for (std::size_t l = 0; l < graph.layers.size(); ++l) JANG_TRY(bind_layer(binder, static_cast<int>(l), &graph.layers[l]));
  JANG_TRY(binder.vector("model.norm.weight", config.hidden, &graph.final_norm));
  if (!config.tied) JANG_TRY(binder.take("lm_head", config.vocab, config.hidden, precision, &graph.head));
  JANG_TRY(binder.check_leftovers());
  JANG_TRY(upload_frequencies(device, config.rope, &graph, &graph.rope_frequencies));
  JANG_TRY(upload_frequencies(device, config.local_rope, &graph, &graph.local_rope_frequencies));
  return graph;
}

std::vector<Linear*> maps_of(Graph* graph) {
  std::vector<Linear*> maps;
  const auto add = [&](auto& block) { add_maps(block, &maps); };
  add_maps({&graph->embedding}, &maps);
  for (Layer& layer : graph->layers) {
    std::visit(add, layer.mixer);
    std::visit(add, layer.ffn);
  }
  add_maps({&graph->head}, &maps);
  return maps;
}

}  // namespace jang::model
