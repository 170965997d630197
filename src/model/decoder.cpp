// SPDX-License-Identifier: Apache-2.0
// The decoder: embedding, layers, head over the bound graph.
#include "model/decoder.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "model/bind.h"
#include "model/decoder_impl.h"
#include "model/layers_alone.h"

namespace jang::model {
namespace {

using kernels::Tensor;

// Rows the head takes at a time: bounds its prepared inputs.
constexpr std::int64_t kHeadRows = 256;

Status out_of_memory(std::int64_t n) {
  return {StatusCode::out_of_memory, fmt::format("no memory for a forward over {} tokens and its caches", n)};
}

}  // namespace

Status Forward::out_of_memory() const { return model::out_of_memory(n); }

Status Forward::ready_states(int layer) const {
  for (const BatchItem& item : batch) {
    const RecurrentState* state = item.sequence->recurrent(layer);
    if (state == nullptr) return out_of_memory();
    if (state->position != item.sequence->length())
      return {StatusCode::invalid_argument, fmt::format("recurrent layer {} has taken in {} tokens, the sequence is at {}", layer,
                                                        state->position, item.sequence->length())};
  }
  return {};
}

std::vector<std::vector<Tensor>> Forward::take_states(int layer) const {
  const std::vector<StateShape>& shapes = batch.front().sequence->pool().layer(layer).states;
  std::vector<std::vector<Tensor>> states(shapes.size());
  for (const BatchItem& item : batch) {
    RecurrentState& state = *item.sequence->recurrent(layer);
    for (std::size_t a = 0; a < shapes.size(); ++a) states[a].push_back(state.arrays[a].matrix(shapes[a].rows, shapes[a].columns));
    state.position += item.n_tokens;
  }
  return states;
}

void Forward::see(std::initializer_list<const Linear*> maps, int expert, const Tensor& x) const {
  if (probe == nullptr) return;
  std::vector<std::string_view> modules;
  for (const Linear* map : maps) modules.push_back(map->module);
  probe->input(modules, expert, device, x);
}

Result<Decoder> Decoder::create(const arch::Model& described, Weights weights, kernels::Device& device, kernels::Precision precision) {
  JANG_ASSIGN(arch::DecoderConfig config, arch::decoder_config(described));
  return create(std::move(config), std::move(weights), device, precision);
}

Result<Decoder> Decoder::create(arch::DecoderConfig config, Weights weights, kernels::Device& device, kernels::Precision precision) {
  JANG_ASSIGN(Rotations rotations, Rotations::create(device, config.ropes));
  std::unique_ptr<Impl> impl(new Impl{std::move(config), device, std::move(weights), std::move(rotations), {}, nullptr, {}, 0, {}, {}});
  JANG_ASSIGN(impl->graph, bind_graph(impl->config, device, precision, &impl->weights));
  impl->maps = maps_of(&impl->graph);
  for (const Linear* map : impl->maps) impl->modules.push_back(map->module);
  return Decoder(std::move(impl));
}

Decoder::Decoder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;
Decoder::~Decoder() = default;

const arch::DecoderConfig& Decoder::config() const { return impl_->config; }
kernels::Device& Decoder::device() const { return impl_->device; }
const std::vector<std::string>& Decoder::modules() const { return impl_->modules; }

std::vector<std::string> Decoder::modules_of(int layer) const {
  std::vector<std::string> out;
  for (const Linear* map : maps_of(&impl_->graph.layers[static_cast<std::size_t>(layer)])) out.push_back(map->module);
  return out;
}

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
  return upload(impl_->device, map, views);
}

Status Decoder::replace(std::string_view module, const kernels::Tensor& values) {
  Linear* map = impl_->find(module);
  if (map == nullptr) return {StatusCode::invalid_argument, fmt::format("the model has no module '{}'", module)};
  const auto n = static_cast<std::int64_t>(map->views.size());
  if (values.rows != n * map->n_rows || values.columns != map->n_cols)
    return {StatusCode::invalid_argument, fmt::format("'{}' is {} matrices of {}x{}, values of {}x{} given", module, n, map->n_rows,
                                                      map->n_cols, values.rows, values.columns)};
  if (!map->slices.empty())
    return {StatusCode::unsupported, fmt::format("'{}' is used by heads, and its values cannot be shared with a training", module)};
  JANG_ASSIGN(map->weight, impl_->device.share(values, n, map->bias));
  return {};
}

std::int64_t Decoder::bytes_per_token() const {
  std::int64_t total = 0;
  for (const Linear* map : impl_->maps) {
    const bool lookup = (map == &impl_->graph.embedding && impl_->graph.head.exists()) || map == &impl_->graph.layer_embedding;
    const std::int64_t rows = lookup ? 1 : map->n_rows * map->n_active;
    total += rows * (map->views.front().row_bytes() + 2 * map->views.front().param_row_bytes());
  }
  return total;
}

Status Decoder::embed(std::span<const std::int32_t> tokens, const Tensor& x) {
  const arch::DecoderConfig& c = impl_->config;
  const auto n = static_cast<std::int64_t>(tokens.size());
  for (std::size_t i = 0; i < tokens.size(); ++i)
    if (tokens[i] < 0 || tokens[i] >= c.vocab)
      return {StatusCode::invalid_argument, fmt::format("token id {} at position {}: the vocabulary has {}", tokens[i], i, c.vocab)};
  if (n == 0) return {};
  if (!impl_->workspace.tokens.reserve(impl_->device, n, DType::i32)) return out_of_memory(n);
  const Tensor ids = impl_->workspace.tokens.matrix(n, 1, DType::i32);
  JANG_TRY(impl_->device.write(tokens.data(), ids));
  impl_->device.embed(*impl_->graph.embedding.weight, ids, c.embedding_scale, x);
  return impl_->make_layer_inputs(x);  // what runs on x waits
}

// norm(s y) with eps is norm(y) with eps / s^2.
Status Decoder::Impl::make_layer_inputs(const Tensor& x) {
  if (config.layer_inputs == 0) return {};
  const std::int64_t n = x.rows, size = config.layer_inputs / config.n_layers();
  n_embedded = 0;
  if (!workspace.layer_inputs.reserve(device, n * config.layer_inputs) ||
      !workspace.layer_projected.reserve(device, n * config.layer_inputs))
    return out_of_memory(n);
  const Tensor inputs = workspace.layer_inputs.matrix(n, config.layer_inputs);
  const Tensor projected = workspace.layer_projected.matrix(n, config.layer_inputs), parts = projected.with_columns(size);
  device.embed(*graph.layer_embedding.weight, workspace.tokens.matrix(n, 1, DType::i32), config.layer_embedding_scale, inputs);
  forward(n).see({&graph.layer_projection}, -1, x);
  const kernels::LinearOut map[] = {{graph.layer_projection.weight.get(), projected}};
  device.linear(x, map);
  device.add_norm({.x = parts, .norm = graph.layer_input_norm, .out = parts, .eps = config.norm.eps * static_cast<float>(config.hidden)});
  device.add_norm({.x = inputs, .branch = projected});
  n_embedded = n;
  return {};
}

Forward Decoder::Impl::forward(std::int64_t n) { return {device, workspace, rotations, config.hidden, config.norm, probe, n}; }

Result<Forward> Decoder::Impl::forward(std::span<const BatchItem> batch, std::int64_t n) {
  Forward f = forward(n);
  f.batch = batch;
  std::int64_t row = 0;
  for (const BatchItem& item : batch) {
    JANG_CHECK(&item.sequence->pool() == &batch.front().sequence->pool() && &item.sequence->pool().device() == &device);
    JANG_TRY(item.sequence->reserve(item.n_tokens));
    f.runs.push_back({row, item.n_tokens, item.sequence->length()});
    row += item.n_tokens;
  }
  for (const BatchItem& item : batch) f.pages.push_back(item.sequence->pages());
  return f;
}

Status Decoder::Impl::reserve(Forward& f, int begin, int end) {
  if (!workspace.normed.reserve(device, f.n * config.hidden) || !workspace.branch.reserve(device, f.n * config.hidden))
    return out_of_memory(f.n);
  for (int l = begin; l < end; ++l) {
    const Layer& layer = graph.layers[static_cast<std::size_t>(l)];
    if (layer.norms == arch::Norms::parallel_apart && !workspace.ffn_normed.reserve(device, f.n * config.hidden)) return out_of_memory(f.n);
    JANG_TRY(std::visit([&](const auto& mixer) { return model::reserve(f, mixer, l); }, layer.mixer));
    JANG_TRY(std::visit([&](const auto& ffn) { return model::reserve(f, ffn); }, layer.ffn));
    if (layer.input && !workspace.layer_gate.reserve(device, f.n * layer.input->spec.size)) return out_of_memory(f.n);
  }
  return {};
}

kernels::AddNorm Decoder::Impl::norm_of(const NormWeights& by) const {
  return {.norm = by.weight, .norm_bias = by.bias, .eps = config.norm.eps, .offset = config.norm.offset, .centred = config.norm.centred};
}

void Decoder::Impl::norm(const Tensor& x, const NormWeights& by, const Tensor& out) {
  if (!by.weight.exists()) return device.copy(x, out);  // with Norms::after blocks read what was added up
  kernels::AddNorm op = norm_of(by);
  op.x = x;
  op.out = out;
  device.add_norm(op);
}

void Decoder::Impl::add(const Tensor& branch, const Tensor& branch_norm, const NormWeights& next, const Tensor& x, const Tensor& out) {
  kernels::AddNorm op = norm_of(next);
  op.x = x;
  op.branch = branch;
  op.branch_norm = branch_norm;
  if (next.weight.exists()) op.out = out;
  device.add_norm(op);
}

Tensor Decoder::Impl::ffn_input(const Layer& layer, std::int64_t n) const {
  return (layer.norms == arch::Norms::parallel_apart ? workspace.ffn_normed : workspace.normed).matrix(n, config.hidden);
}

void Decoder::Impl::run_mixer(Forward& f, int l, const Tensor& x) {
  const Layer& layer = graph.layers[static_cast<std::size_t>(l)];
  if (layer.norms == arch::Norms::parallel_apart) norm(x, layer.ffn_norm, ffn_input(layer, f.n));
  norm(x, layer.mixer_norm, workspace.normed.matrix(f.n, config.hidden));
  std::visit([&](const auto& mixer) { run(f, mixer, l); }, layer.mixer);
}

void Decoder::Impl::run_ffn(Forward& f, int l, const Tensor& x) {
  const Layer& layer = graph.layers[static_cast<std::size_t>(l)];
  const Tensor branch = workspace.branch.matrix(f.n, config.hidden), in = ffn_input(layer, f.n);
  if (layer.norms == arch::Norms::single)  // the mixer's branch is the layer's, or there is none yet
    return std::visit([&](const auto& ffn) { run(f, ffn, in, branch); }, layer.ffn);
  const bool parallel = layer.norms == arch::Norms::parallel || layer.norms == arch::Norms::parallel_apart;
  add(branch, layer.mixer_out_norm, parallel ? NormWeights() : layer.ffn_norm, x, in);
  if (!parallel && !layer.ffn_norm.weight.exists()) device.copy(x, in);  // the block reads what was added up
  std::visit([&](const auto& ffn) { run(f, ffn, in, branch); }, layer.ffn);
}

void Decoder::Impl::run_layer(Forward& f, int l, const Tensor& x) {
  run_mixer(f, l, x);
  run_ffn(f, l, x);
  const Layer& layer = graph.layers[static_cast<std::size_t>(l)];
  add(workspace.branch.matrix(f.n, config.hidden), layer.ffn_out_norm, {}, x, {});
  add_layer_input(f, l, x);
  scale(layer, x);
}

void Decoder::Impl::add_layer_input(Forward& f, int l, const Tensor& x) {
  const Layer& layer = graph.layers[static_cast<std::size_t>(l)];
  if (!layer.input) return;
  const std::int64_t size = layer.input->spec.size;
  const Tensor gate = workspace.layer_gate.matrix(f.n, size), branch = workspace.branch.matrix(f.n, config.hidden);
  const Tensor part = workspace.layer_inputs.matrix(f.n, config.layer_inputs).column_range(l * size, size);
  f.see({&layer.input->gate}, -1, x);
  const kernels::LinearOut in[] = {{layer.input->gate.weight.get(), gate}}, out[] = {{layer.input->projection.weight.get(), branch}};
  device.linear(x, in);
  device.glu(kernel_of(layer.input->spec.activation), gate, part, gate);
  f.see({&layer.input->projection}, -1, gate);
  device.linear(gate, out);
  add(branch, layer.input->norm, {}, x, {});
}

void Decoder::Impl::scale(const Layer& layer, const Tensor& x) {
  if (!layer.scalar.exists()) return;
  Tensor factors = layer.scalar;  // one row for all
  factors.rows = x.rows;
  factors.stride = 0;
  device.glu(kernels::Activation::identity, x, factors, x);
}

Status Decoder::layers(std::span<const BatchItem> batch, int begin, int end, const Tensor& x) {
  JANG_CHECK(0 <= begin && begin <= end && end <= impl_->config.n_layers());
  std::int64_t n = 0;
  for (const BatchItem& item : batch) {
    JANG_CHECK(item.sequence != nullptr && item.n_tokens >= 0);
    n += item.n_tokens;
  }
  JANG_CHECK(x.rows == n && x.columns == impl_->config.hidden);
  if (n == 0 || begin == end) return {};
  if (begin > 0 || end < impl_->config.n_layers()) JANG_TRY(check_layers_alone(impl_->config));
  if (impl_->config.layer_inputs > 0 && impl_->n_embedded != n)
    return {StatusCode::invalid_argument,
            fmt::format("a batch of {} tokens, and the per-layer inputs are those of {}", n, impl_->n_embedded)};
  JANG_ASSIGN(Forward f, impl_->forward(batch, n));
  JANG_TRY(impl_->reserve(f, begin, end));
  for (int l = begin; l < end; ++l) impl_->run_layer(f, l, x);
  return impl_->device.wait();
}

Status Decoder::head(const Tensor& x, const Tensor& logits) {
  const arch::DecoderConfig& c = impl_->config;
  const Linear& map = impl_->head_map();
  const Forward f = impl_->forward(x.rows);
  for (std::int64_t begin = 0; begin < x.rows; begin += kHeadRows) {
    const std::int64_t rows = std::min(kHeadRows, x.rows - begin);
    if (!impl_->workspace.normed.reserve(impl_->device, rows * c.hidden)) return out_of_memory(rows);
    const Tensor normed = impl_->workspace.normed.matrix(rows, c.hidden);
    impl_->norm(x.row_range(begin, rows), impl_->graph.final_norm, normed);
    f.see({&map}, -1, normed);
    impl_->device.head(normed, *map.weight, c.logit_softcap, logits.row_range(begin, rows));
  }
  return impl_->device.wait();
}

void Decoder::set_probe(Probe* probe) { impl_->probe = probe; }

}  // namespace jang::model
