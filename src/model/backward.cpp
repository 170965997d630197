// SPDX-License-Identifier: Apache-2.0
// The way back: head, layers in reverse, each run once more before it, embedding.
#include "model/backward.h"

#include <algorithm>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "base/check.h"
#include "model/backward_pass.h"
#include "model/blocks/attention_backward.h"
#include "model/blocks/experts_backward.h"
#include "model/blocks/gated_delta_backward.h"
#include "model/blocks/latent_attention_backward.h"
#include "model/blocks/mamba_backward.h"
#include "model/blocks/mlp_and_experts_backward.h"
#include "model/blocks/mlp_backward.h"
#include "model/blocks/short_conv_backward.h"
#include "model/decoder_impl.h"
#include "model/layers_alone.h"

namespace jang::model {
namespace {

using kernels::Tensor;

constexpr std::int64_t kCapRows = 64;  // whose logits are computed once more at a time

void run_back(BackwardPass& pass, const Mlp& block, const Tensor& x, const Tensor& dout, const Tensor& dx) {
  backward(pass, block, x, dout, false, dx);
}
void run_back(BackwardPass& pass, const Experts& block, const Tensor& x, const Tensor& dout, const Tensor& dx) {
  backward(pass, block, x, dout, dx);
}
// What a layer lacks has no gradient, and nobody asks for it.
void run_back(BackwardPass&, const arch::NoFfn&, const Tensor&, const Tensor&, const Tensor&) {}
void run_back(BackwardPass&, const arch::NoMixer&, int, const Tensor&, const Tensor&, const Tensor&) {}
void run_back(BackwardPass& pass, const MlpAndExperts& block, const Tensor& x, const Tensor& dout, const Tensor& dx) {
  backward(pass, block, x, dout, dx);
}
template <typename Mixer>
void run_back(BackwardPass& pass, const Mixer& block, int layer, const Tensor& x, const Tensor& dout, const Tensor& dx) {
  backward(pass, block, layer, x, dout, dx);
}

}  // namespace

// Named, since Gradients::Impl holds them: the texts of a forward as sequences of their own.
struct TextBatch {
  std::vector<Sequence> sequences;
  std::vector<BatchItem> items;
  TextBatch(const std::shared_ptr<CachePool>& pool, std::int64_t n, std::int64_t length) {
    for (std::int64_t i = 0; i < n; ++i) sequences.emplace_back(pool);
    for (Sequence& s : sequences) items.push_back({&s, length});
  }
};

// A layer that ran forwards, for its way back.
struct LayerRun {
  TextBatch texts;
  Forward forward;
  int layer;
  Tensor before;
};

struct Gradients::Impl {
  Decoder& decoder;
  Decoder::Impl& inside;
  kernels::Backward& ops;
  std::shared_ptr<CachePool> pool;
  std::vector<std::int32_t> tokens;  // of the last forward
  std::int64_t length = 0;           // of each of its texts
  std::vector<Array> inputs;         // hidden states before every layer, and after the last
  Array logits, x, gradient, head_in, mixer_branch, ids, cap_logits;
  Kept kept;
  GradientSpace space;
  std::optional<LayerRun> layer_run;  // of the last forward_layer
  Array layer_out;                    // what it returned

  const arch::DecoderConfig& config() const { return inside.config; }
  kernels::Device& device() const { return inside.device; }
  std::int64_t n() const { return static_cast<std::int64_t>(tokens.size()); }
  Tensor hidden(const Array& array) const { return array.matrix(n(), config().hidden); }
  Tensor hidden(const Array& array, std::int64_t n_tokens) const { return array.matrix(n_tokens, config().hidden); }

  Status reserve();
  Status reserve_layer(std::int64_t n_tokens);
  Result<LayerRun> run_layer(int l, const Tensor& before, std::int64_t of_length);
  Status head_back(BackwardPass& pass, const Tensor& dlogits, const Tensor& d);
  Status uncap(const Tensor& dlogits);
  void layer_back(BackwardPass& pass, const LayerRun& run, const Tensor& d);
  void parallel_back(BackwardPass& pass, const LayerRun& run, const Tensor& d);
  void ffn_back(BackwardPass& pass, const LayerRun& run, const Tensor& dout, const Tensor& dx);
  void mixer_back(BackwardPass& pass, const LayerRun& run, const Tensor& dout, const Tensor& dx);
  // The gradient of what a block wrote: d, through the norm of the branch if it has one.
  Tensor out_norm_back(const Tensor& branch, const Tensor& weight, const Tensor& d);
  // d += the gradient by what was normalised for a block.
  void in_norm_back(const Tensor& at, const NormWeights& weights, const Tensor& dnormed, const Tensor& d);
  void embedding_back(BackwardPass& pass, const Tensor& dlogits, const Tensor& d);
  kernels::NormGradient norm(const Tensor& at, const NormWeights& weights, const Tensor& dout, const Tensor& dx, bool add) const {
    const arch::NormSpec& spec = config().norm;
    return {.x = at,
            .norm = weights.weight,
            .dout = dout,
            .dx = dx,
            .eps = spec.eps,
            .offset = spec.offset,
            .centred = spec.centred,
            .add = add};
  }
};

Gradients::Gradients(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Gradients::Gradients(Gradients&&) noexcept = default;
Gradients& Gradients::operator=(Gradients&&) noexcept = default;
Gradients::~Gradients() = default;

Result<Gradients> Gradients::create(Decoder& decoder) {
  kernels::Backward* ops = decoder.device().backward();
  if (ops == nullptr) return Status(StatusCode::unsupported, fmt::format("the device {} computes no gradients", decoder.device().name()));
  JANG_TRY(check_layers_alone(decoder.config()));
  auto pool = std::make_shared<CachePool>(decoder.device(), decoder.config(), kernels::KvType::f32);
  std::unique_ptr<Impl> impl(
      new Impl{decoder, *decoder.impl_, *ops, std::move(pool), {}, 0, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}});
  impl->inputs.resize(decoder.config().layers.size() + 1);
  return Gradients(std::move(impl));
}

// What the way back through one layer works in.
Status Gradients::Impl::reserve_layer(std::int64_t n_tokens) {
  bool room = true;
  for (Array* array : {&x, &mixer_branch, &space.normed, &space.branch})
    room = room && array->reserve(device(), n_tokens * config().hidden);
  if (room) return {};
  return {StatusCode::out_of_memory, fmt::format("no memory for a backward over {} tokens", n_tokens)};
}

Status Gradients::Impl::reserve() {
  const std::int64_t values = n() * config().hidden;
  bool room = logits.reserve(device(), n() * config().vocab) && ids.reserve(device(), n(), DType::i32);
  for (Array* array : {&gradient, &head_in}) room = room && array->reserve(device(), values);
  for (Array& array : inputs) room = room && array.reserve(device(), values);
  if (room) return reserve_layer(n());
  return {StatusCode::out_of_memory, fmt::format("no memory for a backward over {} tokens", n())};
}

Result<Tensor> Gradients::forward(std::span<const std::int32_t> given, std::int64_t length) {
  Impl& s = *impl_;
  if (given.empty() || length < 1 || static_cast<std::int64_t>(given.size()) % length != 0)
    return Status(StatusCode::invalid_argument,
                  fmt::format("a backward needs whole texts: {} tokens in texts of {}", given.size(), length));
  s.tokens.assign(given.begin(), given.end());
  s.length = length;
  JANG_TRY(s.reserve());
  JANG_TRY(s.decoder.embed(given, s.hidden(s.inputs.front())));
  const TextBatch texts(s.pool, s.n() / length, length);
  for (int l = 0; l < s.config().n_layers(); ++l) {
    const Tensor next = s.hidden(s.inputs[static_cast<std::size_t>(l) + 1]);
    s.device().copy(s.hidden(s.inputs[static_cast<std::size_t>(l)]), next);
    JANG_TRY(s.decoder.layers(texts.items, l, l + 1, next));
  }
  const Tensor logits = s.logits.matrix(s.n(), s.config().vocab);
  JANG_TRY(s.decoder.head(s.hidden(s.inputs.back()), logits));
  return logits;
}

// Through the softcap of the head; the logits may have been overwritten.
Status Gradients::Impl::uncap(const Tensor& dlogits) {
  if (config().logit_softcap == 0) return {};
  if (!cap_logits.reserve(device(), kCapRows * config().vocab)) return {StatusCode::out_of_memory, "no memory for logits"};
  for (std::int64_t first = 0; first < n(); first += kCapRows) {
    const std::int64_t rows = std::min(kCapRows, n() - first);
    const Tensor again = cap_logits.matrix(rows, config().vocab);
    JANG_TRY(decoder.head(hidden(inputs.back()).row_range(first, rows), again));
    ops.softcap(again, config().logit_softcap, dlogits.row_range(first, rows));
  }
  return {};
}

// d: of the hidden states behind the last layer.
Status Gradients::Impl::head_back(BackwardPass& pass, const Tensor& dlogits, const Tensor& d) {
  JANG_TRY(uncap(dlogits));
  const Tensor last = hidden(inputs.back()), normed = hidden(head_in), dnormed = hidden(space.normed);
  inside.norm(last, inside.graph.final_norm, normed);
  const kernels::LinearGradient head[] = {{inside.head_map().weight.get(), dlogits}};
  ops.linear(head, false, dnormed);
  ops.norm(norm(last, inside.graph.final_norm, dnormed, d, false));
  if (!config().tied) pass.weight(inside.graph.head, dlogits, normed);
  return pass.status;
}

// The layer up to the branch of its feed-forward, which stays in the workspace; the hidden states without that branch stay in x.
Result<LayerRun> Gradients::Impl::run_layer(int l, const Tensor& before, std::int64_t of_length) {
  const Layer& layer = inside.graph.layers[static_cast<std::size_t>(l)];
  const std::int64_t n_tokens = before.rows;
  TextBatch texts(pool, n_tokens / of_length, of_length);
  JANG_ASSIGN(Forward f, inside.forward(texts.items, n_tokens));
  f.probe = nullptr;
  f.kept = &kept;
  JANG_TRY(inside.reserve(f, l, l + 1));
  const Tensor between = hidden(x, n_tokens);
  inside.run_mixer(f, l, before);
  if (layer.mixer_out_norm.exists()) device().copy(hidden(inside.workspace.branch, n_tokens), hidden(mixer_branch, n_tokens));
  device().copy(before, between);
  inside.run_ffn(f, l, between);
  return LayerRun{std::move(texts), std::move(f), l, before};
}

// d: of the hidden states behind the layer, becomes that of those before it. A branch's gradient is that of the sum, through its own norm
// if it has one.
void Gradients::Impl::layer_back(BackwardPass& pass, const LayerRun& run, const Tensor& d) {
  const Layer& layer = inside.graph.layers[static_cast<std::size_t>(run.layer)];
  inside.scale(layer, d);
  if (layer.norms == arch::Norms::parallel || layer.norms == arch::Norms::parallel_apart) return parallel_back(pass, run, d);
  const auto of = [&](const Array& array) { return hidden(array, run.before.rows); };
  const Tensor dnormed = of(space.normed);
  if (layer.norms == arch::Norms::single) {
    const bool mixes = std::holds_alternative<arch::NoFfn>(layer.ffn);
    mixes ? mixer_back(pass, run, d, dnormed) : ffn_back(pass, run, d, dnormed);
    return in_norm_back(run.before, layer.mixer_norm, dnormed, d);
  }
  ffn_back(pass, run, out_norm_back(of(inside.workspace.branch), layer.ffn_out_norm, d), dnormed);
  in_norm_back(of(x), layer.ffn_norm, dnormed, d);
  mixer_back(pass, run, out_norm_back(of(mixer_branch), layer.mixer_out_norm, d), dnormed);
  in_norm_back(run.before, layer.mixer_norm, dnormed, d);
}

// Both branches have the gradient of the sum, so it changes only when both are done.
void Gradients::Impl::parallel_back(BackwardPass& pass, const LayerRun& run, const Tensor& d) {
  const Layer& layer = inside.graph.layers[static_cast<std::size_t>(run.layer)];
  const Tensor of_ffn = hidden(space.branch, run.before.rows), of_mixer = hidden(space.normed, run.before.rows);
  ffn_back(pass, run, d, of_ffn);
  mixer_back(pass, run, d, of_mixer);
  in_norm_back(run.before, layer.norms == arch::Norms::parallel ? layer.mixer_norm : layer.ffn_norm, of_ffn, d);
  in_norm_back(run.before, layer.mixer_norm, of_mixer, d);
}

void Gradients::Impl::ffn_back(BackwardPass& pass, const LayerRun& run, const Tensor& dout, const Tensor& dx) {
  const Layer& layer = inside.graph.layers[static_cast<std::size_t>(run.layer)];
  std::visit([&](const auto& ffn) { run_back(pass, ffn, inside.ffn_input(layer, run.before.rows), dout, dx); }, layer.ffn);
}

// What the mixer read is computed once more: the feed-forward has used its place.
void Gradients::Impl::mixer_back(BackwardPass& pass, const LayerRun& run, const Tensor& dout, const Tensor& dx) {
  const Layer& layer = inside.graph.layers[static_cast<std::size_t>(run.layer)];
  const Tensor normed = hidden(inside.workspace.normed, run.before.rows);
  inside.norm(run.before, layer.mixer_norm, normed);
  std::visit([&](const auto& mixer) { run_back(pass, mixer, run.layer, normed, dout, dx); }, layer.mixer);
}

Tensor Gradients::Impl::out_norm_back(const Tensor& branch, const Tensor& weight, const Tensor& d) {
  if (!weight.exists()) return d;
  const Tensor dbranch = hidden(space.branch, branch.rows);
  ops.norm({.x = branch, .norm = weight, .dout = d, .dx = dbranch, .eps = config().norm.eps, .offset = config().norm.offset});
  return dbranch;
}

void Gradients::Impl::in_norm_back(const Tensor& at, const NormWeights& weights, const Tensor& dnormed, const Tensor& d) {
  if (!weights.weight.exists()) return ops.add(dnormed, d);
  ops.norm(norm(at, weights, dnormed, d, true));
}

// What is looked up, and of a tied embedding what the head multiplies with.
void Gradients::Impl::embedding_back(BackwardPass& pass, const Tensor& dlogits, const Tensor& d) {
  const Linear& map = inside.graph.embedding;
  const Tensor id = ids.matrix(n(), 1, DType::i32), normed = hidden(head_in);
  if (pass.status.ok()) pass.status = device().write(tokens.data(), id);
  if (!pass.sink.wants_weights()) return;
  const std::int64_t step = std::clamp<std::int64_t>(kGradientValues / map.n_cols, 1, map.n_rows);
  for (std::int64_t row = 0; row < map.n_rows && pass.status.ok(); row += step) {
    const std::int64_t rows = std::min(step, map.n_rows - row);
    if (!pass.reserve(&space.weight, rows, map.n_cols)) return;
    const Tensor part = space.weight.matrix(rows, map.n_cols), of_head = dlogits.column_range(row, rows);
    const std::int64_t used = config().tied ? n() : 0;  // a sum over no rows is zero
    const kernels::WeightGradient product[] = {{of_head.row_range(0, used), normed.row_range(0, used), part}};
    ops.weight(product);
    ops.embed(id, config().embedding_scale, d, row, part);
    pass.status = pass.sink.weight({map.module, -1, row, part});
  }
}

Status Gradients::backward(const Tensor& dlogits, GradientSink& sink) {
  Impl& s = *impl_;
  JANG_CHECK(s.n() > 0 && dlogits.rows == s.n() && dlogits.columns == s.config().vocab);
  const Tensor d = s.hidden(s.gradient);
  Forward f = s.inside.forward(s.n());
  BackwardPass pass{f, s.ops, sink, s.space, {}};
  JANG_TRY(s.head_back(pass, dlogits, d));
  for (int l = s.config().n_layers() - 1; l >= 0; --l) {
    JANG_TRY(sink.behind_layer(l, d));
    JANG_ASSIGN(LayerRun run, s.run_layer(l, s.hidden(s.inputs[static_cast<std::size_t>(l)]), s.length));
    BackwardPass of_layer{run.forward, s.ops, sink, s.space, {}};
    s.layer_back(of_layer, run, d);
    JANG_TRY(of_layer.status);
  }
  s.embedding_back(pass, dlogits, d);
  JANG_TRY(pass.status);
  s.tokens.clear();
  return s.device().wait();
}

Result<Tensor> Gradients::forward_layer(int layer, const Tensor& before, std::int64_t length) {
  Impl& s = *impl_;
  JANG_CHECK(0 <= layer && layer < s.config().n_layers() && before.columns == s.config().hidden);
  if (before.rows < 1 || length < 1 || before.rows % length != 0)
    return Status(StatusCode::invalid_argument, fmt::format("a backward needs whole texts: {} tokens in texts of {}", before.rows, length));
  s.layer_run.reset();
  JANG_TRY(s.reserve_layer(before.rows));
  if (!s.layer_out.reserve(s.device(), before.rows * before.columns))
    return Status(StatusCode::out_of_memory, fmt::format("no memory for a layer over {} tokens", before.rows));
  JANG_ASSIGN(LayerRun run, s.run_layer(layer, before, length));
  s.layer_run.emplace(std::move(run));
  const Tensor after = s.hidden(s.layer_out, before.rows);
  const Tensor branch = s.hidden(s.space.branch, before.rows);  // a copy: the sum normalises it in place, the way back needs it as it was
  s.device().copy(s.hidden(s.inside.workspace.branch, before.rows), branch);
  s.device().copy(s.hidden(s.x, before.rows), after);
  s.device().add_norm({.x = after,
                       .branch = branch,
                       .branch_norm = s.inside.graph.layers[static_cast<std::size_t>(layer)].ffn_out_norm,
                       .eps = s.config().norm.eps,
                       .offset = s.config().norm.offset});
  s.inside.scale(s.inside.graph.layers[static_cast<std::size_t>(layer)], after);
  JANG_TRY(s.device().wait());
  return after;
}

Status Gradients::backward_layer(const Tensor& gradient, GradientSink& sink) {
  Impl& s = *impl_;
  JANG_CHECK(s.layer_run && gradient.rows == s.layer_run->before.rows && gradient.columns == s.config().hidden);
  BackwardPass pass{s.layer_run->forward, s.ops, sink, s.space, {}};
  s.layer_back(pass, *s.layer_run, gradient);
  s.layer_run.reset();
  JANG_TRY(pass.status);
  return s.device().wait();
}

}  // namespace jang::model
