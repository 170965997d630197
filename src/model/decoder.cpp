// SPDX-License-Identifier: Apache-2.0
// The decoder: embedding, layers, head over the bound graph.
#include "model/decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "model/bind.h"
#include "model/graph.h"

namespace jang::model {
namespace {

// Rows the head takes at a time: bounds its prepared inputs.
constexpr std::int64_t kHeadRows = 256;

Status out_of_memory(std::int64_t n) {
  return {StatusCode::out_of_memory, fmt::format("no memory for a forward over {} tokens and its caches", n)};
}

}  // namespace

struct Decoder::Impl {
  arch::DecoderConfig config;
  Options options;
  Weights weights;  // vectors; matrices moved into the graph
  Graph graph;
  const kernels::Ops* ops = nullptr;
  Parallel parallel{nullptr};
  Probe* probe = nullptr;
  Scratch scratch;
  std::vector<Linear*> maps;
  std::vector<std::string> modules;
  std::int64_t input_bytes = 0;  // largest prepared row of any map

  Linear* find(std::string_view module) const {
    const auto it = std::find_if(maps.begin(), maps.end(), [&](const Linear* m) { return m->module == module; });
    return it == maps.end() ? nullptr : *it;
  }
  // After the maps changed. Scratch of head() is made here, so that head() cannot fail.
  Status measure_inputs() {
    input_bytes = 0;
    for (const Linear* map : maps) input_bytes = std::max(input_bytes, map->input_bytes());
    const bool ok = scratch.normed.reserve(kHeadRows * config.hidden) && scratch.inputs.reserve(kHeadRows, input_bytes);
    return ok ? Status() : out_of_memory(kHeadRows);
  }
  const Linear& head_map() const { return graph.head.exists() ? graph.head : graph.embedding; }

  Forward forward(std::span<const BatchItem> batch, std::int64_t n) {
    return {config, *ops, parallel, scratch, probe, batch, n, input_bytes};
  }
  Status reserve(Forward& f, int begin, int end);
  Status reserve_caches(const Forward& f, int begin, int end);
  void norm_rows(const float* x, const float* weight, std::int64_t n, float* out) const;
  void run_layer(Forward& f, int l, float* x);
};

void Forward::see(std::initializer_list<const Linear*> maps, int expert, const float* x, std::int64_t rows) const {
  if (probe == nullptr) return;
  std::vector<std::string_view> modules;
  for (const Linear* map : maps) modules.push_back(map->module);
  probe->input(modules, expert, x, rows, (*maps.begin())->n_cols);
}

Result<Decoder> Decoder::create(const arch::Model& described, Weights weights, const Options& options) {
  JANG_ASSIGN(arch::DecoderConfig config, arch::decoder_config(described));
  auto impl = std::make_unique<Impl>();
  impl->config = std::move(config);
  impl->options = options;
  impl->weights = std::move(weights);
  impl->parallel = Parallel(options.pool);
  impl->ops = kernels::find_ops(options.backend);
  if (impl->ops == nullptr)
    return Status(StatusCode::unsupported, fmt::format("backend '{}' is unknown or not available on this machine", options.backend));
  JANG_ASSIGN(impl->graph, bind_graph(impl->config, options, &impl->weights));
  impl->maps = maps_of(&impl->graph);
  for (const Linear* map : impl->maps) impl->modules.push_back(map->module);
  JANG_TRY(impl->measure_inputs());
  return Decoder(std::move(impl));
}

Decoder::Decoder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;
Decoder::~Decoder() = default;

const arch::DecoderConfig& Decoder::config() const { return impl_->config; }
const std::vector<std::string>& Decoder::modules() const { return impl_->modules; }

std::span<const kernels::MatrixView> Decoder::matrices(std::string_view module) const {
  const Linear* map = impl_->find(module);
  return map == nullptr ? std::span<const kernels::MatrixView>() : std::span(map->views);
}

Status Decoder::replace(std::string_view module, std::span<const kernels::MatrixView> views) {
  Linear* map = impl_->find(module);
  if (map == nullptr) return {StatusCode::invalid_argument, fmt::format("the model has no module '{}'", module)};
  if (views.size() != map->views.size())
    return {StatusCode::invalid_argument, fmt::format("'{}' has {} matrices, {} given", module, map->views.size(), views.size())};
  JANG_TRY(check_views(map->module, views, map->n_rows, map->n_cols));
  JANG_ASSIGN(map->kernel, kernel_for(map->module, views.front().format, map->precision, impl_->options.backend));
  map->views.assign(views.begin(), views.end());
  return impl_->measure_inputs();
}

std::int64_t Decoder::bytes_per_token() const {
  std::int64_t total = 0;
  for (const Linear* map : impl_->maps) {
    const auto n_views = static_cast<std::int64_t>(map->views.size());
    const bool lookup = map == &impl_->graph.embedding && impl_->graph.head.exists();
    const std::int64_t rows = lookup ? 1 : n_views == 1 ? map->n_rows : map->n_rows * impl_->config.moe.top_k;
    total += rows * (map->views.front().row_bytes() + 2 * map->views.front().param_row_bytes());
  }
  return total;
}

Status Decoder::embed(std::span<const std::int32_t> tokens, float* x) const {
  const arch::DecoderConfig& c = impl_->config;
  for (std::size_t i = 0; i < tokens.size(); ++i)
    if (tokens[i] < 0 || tokens[i] >= c.vocab)
      return {StatusCode::invalid_argument, fmt::format("token id {} at position {}: the vocabulary has {}", tokens[i], i, c.vocab)};
  const kernels::MatrixView& table = impl_->graph.embedding.views.front();
  impl_->parallel.run(static_cast<std::int64_t>(tokens.size()), c.hidden, [&](std::int64_t i) {
    float* row = x + i * c.hidden;
    impl_->ops->dequantize_row(table, tokens[static_cast<std::size_t>(i)], row);
    if (c.embedding_scale != 1.0f)
      for (std::int64_t j = 0; j < c.hidden; ++j) row[j] *= c.embedding_scale;
  });
  return {};
}

Status Decoder::Impl::reserve(Forward& f, int begin, int end) {
  if (!scratch.normed.reserve(f.n * config.hidden) || !scratch.branch.reserve(f.n * config.hidden)) return out_of_memory(f.n);
  if (!scratch.inputs.reserve(f.n, input_bytes)) return out_of_memory(f.n);
  for (int l = begin; l < end; ++l) {
    const Layer& layer = graph.layers[static_cast<std::size_t>(l)];
    const bool mixer = layer.kind == arch::LayerKind::gated_delta ? reserve_delta(f) : reserve_attention(f);
    if (!mixer || !(layer.sparse ? reserve_moe(f, layer.moe) : reserve_mlp(f, config.ffn))) return out_of_memory(f.n);
    if (layer.kind == arch::LayerKind::full_attention && !make_rope_table(f.batch, f.n, config.rope, parallel, &scratch.rope))
      return out_of_memory(f.n);
    if (layer.kind == arch::LayerKind::sliding_attention &&
        !make_rope_table(f.batch, f.n, config.local_rope, parallel, &scratch.local_rope))
      return out_of_memory(f.n);
  }
  return reserve_caches(f, begin, end);
}

Status Decoder::Impl::reserve_caches(const Forward& f, int begin, int end) {
  for (const BatchItem& item : f.batch) {
    Sequence::State& state = item.sequence->state();
    for (int l = begin; l < end; ++l) {
      const auto at = static_cast<std::size_t>(l);
      if (config.layers[at] != arch::LayerKind::gated_delta) {
        if (!state.reserve_kv(l, state.length + item.n_tokens)) return out_of_memory(f.n);
        continue;
      }
      if (!state.reserve_delta(l)) return out_of_memory(f.n);
      if (state.delta[at].position != state.length)
        return {StatusCode::invalid_argument,
                fmt::format("recurrent layer {} has taken in {} tokens, the sequence is at {}", l, state.delta[at].position, state.length)};
    }
  }
  return {};
}

void Decoder::Impl::norm_rows(const float* x, const float* weight, std::int64_t n, float* out) const {
  const std::int64_t hidden = config.hidden;
  parallel.run(n, hidden / 4, [&](std::int64_t i) {
    ops->rms_norm(x + i * hidden, weight, hidden, config.norm_eps, config.norm_offset, out + i * hidden);
  });
}

void Decoder::Impl::run_layer(Forward& f, int l, float* x) {
  const Layer& layer = graph.layers[static_cast<std::size_t>(l)];
  const std::int64_t hidden = config.hidden;
  float* normed = scratch.normed.get();
  float* branch = scratch.branch.get();
  const auto add_branch = [&](const float* out_norm) {
    parallel.run(f.n, hidden / 4, [&](std::int64_t i) {
      float* row = branch + i * hidden;
      if (out_norm != nullptr) ops->rms_norm(row, out_norm, hidden, config.norm_eps, config.norm_offset, row);
      ops->add(x + i * hidden, row, hidden);
    });
  };
  norm_rows(x, layer.mixer_norm, f.n, normed);
  if (layer.kind == arch::LayerKind::gated_delta)
    run_delta(f, layer.delta, l);
  else
    run_attention(f, layer.attention, l);
  add_branch(layer.mixer_out_norm);
  norm_rows(x, layer.mlp_norm, f.n, normed);
  if (layer.sparse)
    run_moe(f, layer.moe, normed, f.n, branch);
  else
    run_mlp(f, layer.mlp, normed, f.n, branch);
  add_branch(layer.mlp_out_norm);
}

Status Decoder::layers(std::span<const BatchItem> batch, int begin, int end, float* x) {
  JANG_CHECK(0 <= begin && begin <= end && end <= impl_->config.n_layers());
  std::int64_t n = 0;
  for (const BatchItem& item : batch) {
    JANG_CHECK(item.sequence != nullptr && item.n_tokens >= 0);
    n += item.n_tokens;
  }
  if (n == 0 || begin == end) return {};
  Forward f = impl_->forward(batch, n);
  JANG_TRY(impl_->reserve(f, begin, end));
  for (int l = begin; l < end; ++l) impl_->run_layer(f, l, x);
  return {};
}

void Decoder::head(const float* x, std::int64_t n, float* logits) const {
  const arch::DecoderConfig& c = impl_->config;
  const Linear& map = impl_->head_map();
  const Forward f = impl_->forward({}, n);
  for (std::int64_t begin = 0; begin < n; begin += kHeadRows) {
    const std::int64_t rows = std::min(kHeadRows, n - begin);
    float* out = logits + begin * c.vocab;
    impl_->norm_rows(x + begin * c.hidden, impl_->graph.final_norm, rows, impl_->scratch.normed.get());
    f.see({&map}, -1, impl_->scratch.normed.get(), rows);
    const LinearCall call[] = {{&map, out, c.vocab}};
    apply(call, impl_->scratch.normed.get(), rows, impl_->parallel, &impl_->scratch.inputs);
    if (c.logit_softcap == 0) continue;
    constexpr std::int64_t kPiece = 4096;
    impl_->parallel.run(ceil_div(rows * c.vocab, kPiece), kPiece * 10, [&](std::int64_t i) {
      for (std::int64_t j = i * kPiece; j < std::min((i + 1) * kPiece, rows * c.vocab); ++j)
        out[j] = c.logit_softcap * std::tanh(out[j] / c.logit_softcap);
    });
  }
}

void Decoder::set_probe(Probe* probe) { impl_->probe = probe; }

}  // namespace jang::model
