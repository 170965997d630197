// SPDX-License-Identifier: Apache-2.0
// Binding weights to the graph. See bind.h.
#include "model/bind.h"

#include <fmt/format.h>

#include <set>

namespace jang::model {
namespace {

std::string describe(const kernels::MatrixFormat& f) {
  if (!f.packed()) return std::string(name(f.dtype));
  return fmt::format("{} bits, group {}, {} scales", f.bits, f.group_size, name(f.param_dtype));
}

class Binder {
 public:
  Binder(const arch::DecoderConfig& config, const Options& options, Weights* weights)
      : config_(config), options_(options), weights_(*weights) {}

  Result<Graph> bind();

 private:
  using Precision = kernels::Precision;
  std::string layer_name(int l, std::string_view rest) const { return fmt::format("{}model.layers.{}.{}", config_.prefix, l, rest); }

  // The map `module` [n_rows, n_cols]; `n_views` matrices.
  Status take(const std::string& module, std::int64_t n_rows, std::int64_t n_cols, Precision precision, Linear* out,
              std::size_t n_views = 1);
  // Values of a vector.
  Result<const float*> vector(const std::string& name, std::int64_t n);
  Status vector_into(const std::string& name, std::int64_t n, const float** out) {
    JANG_ASSIGN(*out, vector(name, n));
    return {};
  }

  Status bind_layer(int l, Layer* layer);
  Status bind_attention(int l, Attention* block);
  Status bind_delta(int l, GatedDelta* block);
  Status bind_mlp(const std::string& prefix, std::int64_t ffn, Mlp* block);
  Status bind_moe(int l, Moe* block);
  Status check_leftovers() const;

  const arch::DecoderConfig& config_;
  const Options& options_;
  Weights& weights_;
  std::set<std::string, std::less<>> used_;
};

Status Binder::take(const std::string& module, std::int64_t n_rows, std::int64_t n_cols, Precision precision, Linear* out,
                    std::size_t n_views) {
  const auto found = weights_.matrices.find(module);
  if (found == weights_.matrices.end()) return {StatusCode::corrupt, fmt::format("the model has no matrix '{}'", module)};
  out->module = module;
  out->views = std::move(found->second);
  weights_.matrices.erase(found);
  out->precision = precision;
  out->n_rows = n_rows;
  out->n_cols = n_cols;
  if (out->views.size() != n_views)
    return {StatusCode::corrupt, fmt::format("'{}' has {} matrices, expected {}", module, out->views.size(), n_views)};
  if (const Status s = check_views(module, out->views, n_rows, n_cols); !s.ok()) return {StatusCode::corrupt, s.message()};
  JANG_ASSIGN(out->kernel, kernel_for(module, out->format(), precision, options_.backend));
  const std::string bias = module + ".bias";
  if (weights_.vectors.contains(bias)) JANG_TRY(vector_into(bias, n_rows, &out->bias));
  return {};
}

Result<const float*> Binder::vector(const std::string& name, std::int64_t n) {
  const auto found = weights_.vectors.find(name);
  if (found == weights_.vectors.end()) return Status(StatusCode::corrupt, fmt::format("the model has no tensor '{}'", name));
  if (static_cast<std::int64_t>(found->second.size()) != n)
    return Status(StatusCode::corrupt, fmt::format("'{}' has {} values, expected {}", name, found->second.size(), n));
  used_.insert(name);
  return static_cast<const float*>(found->second.data());
}

Status Binder::bind_attention(int l, Attention* block) {
  const arch::DecoderConfig& c = config_;
  const std::int64_t q = c.n_heads * c.head_dim, kv = c.n_kv_heads * c.head_dim;
  const std::string at = layer_name(l, "self_attn.");
  JANG_TRY(take(at + "q_proj", c.gated_attention ? 2 * q : q, c.hidden, options_.precision, &block->q));
  JANG_TRY(take(at + "k_proj", kv, c.hidden, options_.precision, &block->k));
  JANG_TRY(take(at + "v_proj", kv, c.hidden, options_.precision, &block->v));
  JANG_TRY(take(at + "o_proj", c.hidden, q, options_.precision, &block->o));
  if (!c.qk_norm) return {};
  JANG_TRY(vector_into(at + "q_norm.weight", c.head_dim, &block->q_norm));
  return vector_into(at + "k_norm.weight", c.head_dim, &block->k_norm);
}

// Decay and beta come through exponentials: their small maps run exactly, like routers.
Status Binder::bind_delta(int l, GatedDelta* block) {
  const arch::DeltaConfig& d = config_.delta;
  const std::int64_t hidden = config_.hidden;
  const std::string at = layer_name(l, "linear_attn.");
  if (d.interleaved) {
    JANG_TRY(take(at + "in_proj_qkvz", d.conv_channels() + d.v_size(), hidden, options_.precision, &block->qkvz));
    JANG_TRY(take(at + "in_proj_ba", 2 * d.value_heads, hidden, Precision::exact, &block->ba));
  } else {
    JANG_TRY(take(at + "in_proj_qkv", d.conv_channels(), hidden, options_.precision, &block->qkv));
    JANG_TRY(take(at + "in_proj_z", d.v_size(), hidden, options_.precision, &block->z));
    JANG_TRY(take(at + "in_proj_b", d.value_heads, hidden, Precision::exact, &block->b));
    JANG_TRY(take(at + "in_proj_a", d.value_heads, hidden, Precision::exact, &block->a));
  }
  JANG_TRY(take(at + "out_proj", hidden, d.v_size(), options_.precision, &block->out));
  JANG_TRY(vector_into(at + "conv1d.weight", d.conv_channels() * d.conv_kernel, &block->conv));
  JANG_TRY(vector_into(at + "A_log", d.value_heads, &block->a_log));
  JANG_TRY(vector_into(at + "dt_bias", d.value_heads, &block->dt_bias));
  return vector_into(at + "norm.weight", d.value_dim, &block->norm);
}

Status Binder::bind_mlp(const std::string& prefix, std::int64_t ffn, Mlp* block) {
  JANG_TRY(take(prefix + "gate_proj", ffn, config_.hidden, options_.precision, &block->gate));
  JANG_TRY(take(prefix + "up_proj", ffn, config_.hidden, options_.precision, &block->up));
  return take(prefix + "down_proj", config_.hidden, ffn, options_.precision, &block->down);
}

Status Binder::bind_moe(int l, Moe* block) {
  const arch::MoeConfig& m = config_.moe;
  const auto n_experts = static_cast<std::size_t>(m.n_experts);
  const std::string at = layer_name(l, "mlp.");
  JANG_TRY(take(at + "gate", m.n_experts, config_.hidden, Precision::exact, &block->router));
  JANG_TRY(take(at + "switch_mlp.gate_proj", m.ffn, config_.hidden, options_.precision, &block->gate, n_experts));
  JANG_TRY(take(at + "switch_mlp.up_proj", m.ffn, config_.hidden, options_.precision, &block->up, n_experts));
  JANG_TRY(take(at + "switch_mlp.down_proj", config_.hidden, m.ffn, options_.precision, &block->down, n_experts));
  if (m.shared_ffn == 0) return {};
  JANG_TRY(take(at + "shared_expert_gate", 1, config_.hidden, Precision::exact, &block->shared_router));
  return bind_mlp(at + "shared_expert.", m.shared_ffn, &block->shared);
}

Status Binder::bind_layer(int l, Layer* layer) {
  const std::int64_t hidden = config_.hidden;
  layer->kind = config_.layers[static_cast<std::size_t>(l)];
  layer->sparse = config_.sparse[static_cast<std::size_t>(l)];
  JANG_TRY(vector_into(layer_name(l, "input_layernorm.weight"), hidden, &layer->mixer_norm));
  const std::string post_attention = layer_name(l, "post_attention_layernorm.weight");
  JANG_TRY(vector_into(post_attention, hidden, config_.four_norms ? &layer->mixer_out_norm : &layer->mlp_norm));
  if (config_.four_norms) {
    JANG_TRY(vector_into(layer_name(l, "pre_feedforward_layernorm.weight"), hidden, &layer->mlp_norm));
    JANG_TRY(vector_into(layer_name(l, "post_feedforward_layernorm.weight"), hidden, &layer->mlp_out_norm));
  }
  if (layer->kind == arch::LayerKind::gated_delta)
    JANG_TRY(bind_delta(l, &layer->delta));
  else
    JANG_TRY(bind_attention(l, &layer->attention));
  return layer->sparse ? bind_moe(l, &layer->moe) : bind_mlp(layer_name(l, "mlp."), config_.ffn, &layer->mlp);
}

Status Binder::check_leftovers() const {
  if (!weights_.matrices.empty())
    return {StatusCode::corrupt, fmt::format("matrix '{}' has no place in a {} model", weights_.matrices.begin()->first, config_.family)};
  for (const auto& [name, values] : weights_.vectors)
    if (!used_.contains(name)) return {StatusCode::corrupt, fmt::format("tensor '{}' has no place in a {} model", name, config_.family)};
  return {};
}

Result<Graph> Binder::bind() {
  Graph graph;
  graph.layers.resize(config_.layers.size());
  // The embedding is looked up; only as head it is a map like the others.
  const Precision precision = config_.tied ? options_.precision : Precision::exact;
  JANG_TRY(take(config_.prefix + "model.embed_tokens", config_.vocab, config_.hidden, precision, &graph.embedding));
  for (std::size_t l = 0; l < graph.layers.size(); ++l) JANG_TRY(bind_layer(static_cast<int>(l), &graph.layers[l]));
  JANG_TRY(vector_into(config_.prefix + "model.norm.weight", config_.hidden, &graph.final_norm));
  if (!config_.tied) JANG_TRY(take(config_.prefix + "lm_head", config_.vocab, config_.hidden, options_.precision, &graph.head));
  JANG_TRY(check_leftovers());
  return graph;
}

}  // namespace

Result<const kernels::LinearKernel*> kernel_for(const std::string& module, const kernels::MatrixFormat& format,
                                                kernels::Precision precision, const std::string& backend) {
  const kernels::LinearKernel* kernel = kernels::find_linear(format, precision, backend);
  if (kernel == nullptr)
    return Status(StatusCode::unsupported,
                  fmt::format("'{}': no kernel{} for {}", module, backend.empty() ? "" : " of backend " + backend, describe(format)));
  return kernel;
}

Status check_views(const std::string& module, std::span<const kernels::MatrixView> views, std::int64_t n_rows, std::int64_t n_cols) {
  if (views.empty()) return {StatusCode::invalid_argument, fmt::format("'{}' has no matrix", module)};
  for (const kernels::MatrixView& v : views) {
    if (v.n_rows != n_rows || v.n_cols != n_cols)
      return {StatusCode::invalid_argument, fmt::format("'{}' is [{}, {}], expected [{}, {}]", module, v.n_rows, v.n_cols, n_rows, n_cols)};
    if (!(v.format == views.front().format))
      return {StatusCode::invalid_argument, fmt::format("the matrices of '{}' differ in format", module)};
    if (v.format.packed() && (v.format.group_size <= 0 || v.n_cols % v.format.group_size != 0))
      return {StatusCode::invalid_argument,
              fmt::format("'{}': {} columns are no multiple of group {}", module, v.n_cols, v.format.group_size)};
  }
  return {};
}

Result<Graph> bind_graph(const arch::DecoderConfig& config, const Options& options, Weights* weights) {
  return Binder(config, options, weights).bind();
}

std::vector<Linear*> maps_of(Graph* graph) {
  std::vector<Linear*> maps;
  const auto add = [&](std::initializer_list<Linear*> some) {
    for (Linear* map : some)
      if (map->exists()) maps.push_back(map);
  };
  const auto add_mlp = [&](Mlp& m) { add({&m.gate, &m.up, &m.down}); };
  add({&graph->embedding});
  for (Layer& l : graph->layers) {
    add({&l.attention.q, &l.attention.k, &l.attention.v, &l.attention.o});
    add({&l.delta.qkv, &l.delta.z, &l.delta.b, &l.delta.a, &l.delta.qkvz, &l.delta.ba, &l.delta.out});
    add_mlp(l.mlp);
    add({&l.moe.router, &l.moe.gate, &l.moe.up, &l.moe.down, &l.moe.shared_router});
    add_mlp(l.moe.shared);
  }
  add({&graph->head});
  return maps;
}

}  // namespace jang::model
