// SPDX-License-Identifier: Apache-2.0
// The way back: head, layers in reverse, each run once more before it, embedding.
#include "model/backward.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "base/check.h"
#include "model/backward_pass.h"
#include "model/blocks/attention_backward.h"
#include "model/blocks/experts_backward.h"
#include "model/blocks/gated_delta_backward.h"
#include "model/blocks/mlp_backward.h"
#include "model/decoder_impl.h"

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
template <typename Mixer>
void run_back(BackwardPass& pass, const Mixer& block, int layer, const Tensor& x, const Tensor& dout, const Tensor& dx) {
  backward(pass, block, layer, x, dout, dx);
}

// The texts of a forward as sequences of their own.
struct TextBatch {
  std::vector<Sequence> sequences;
  std::vector<BatchItem> items;
  TextBatch(const std::shared_ptr<CachePool>& pool, std::int64_t n, std::int64_t length) {
    for (std::int64_t i = 0; i < n; ++i) sequences.emplace_back(pool);
    for (Sequence& s : sequences) items.push_back({&s, length});
  }
};

}  // namespace

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

  const arch::DecoderConfig& config() const { return inside.config; }
  kernels::Device& device() const { return inside.device; }
  std::int64_t n() const { return static_cast<std::int64_t>(tokens.size()); }
  Tensor hidden(const Array& array) const { return array.matrix(n(), config().hidden); }

  Status reserve();
  Status head_back(BackwardPass& pass, const Tensor& dlogits, const Tensor& d);
  Status uncap(const Tensor& dlogits);
  Status layer_back(int l, GradientSink& sink, const Tensor& d);
  void layer_back(BackwardPass& pass, int l, const Tensor& d);
  void embedding_back(BackwardPass& pass, const Tensor& dlogits, const Tensor& d);
  kernels::NormGradient norm(const Tensor& at, const Tensor& weight, const Tensor& dout, const Tensor& dx, bool add) const {
    return {.x = at, .norm = weight, .dout = dout, .dx = dx, .eps = config().norm.eps, .offset = config().norm.offset, .add = add};
  }
};

Gradients::Gradients(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Gradients::Gradients(Gradients&&) noexcept = default;
Gradients& Gradients::operator=(Gradients&&) noexcept = default;
Gradients::~Gradients() = default;

Result<Gradients> Gradients::create(Decoder& decoder) {
  kernels::Backward* ops = decoder.device().backward();
  if (ops == nullptr) return Status(StatusCode::unsupported, fmt::format("the device {} computes no gradients", decoder.device().name()));
  auto pool = std::make_shared<CachePool>(decoder.device(), decoder.config(), kernels::KvType::f32);
  std::unique_ptr<Impl> impl(new Impl{decoder, *decoder.impl_, *ops, std::move(pool), {}, 0, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}});
  impl->inputs.resize(decoder.config().layers.size() + 1);
  return Gradients(std::move(impl));
}

Status Gradients::Impl::reserve() {
  const std::int64_t values = n() * config().hidden;
  bool room = logits.reserve(device(), n() * config().vocab) && ids.reserve(device(), n(), DType::i32);
  for (Array* array : {&x, &gradient, &head_in, &mixer_branch, &space.normed, &space.branch})
    room = room && array->reserve(device(), values);
  for (Array& array : inputs) room = room && array.reserve(device(), values);
  if (room) return {};
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

// d: of the hidden states behind layer l, becomes that of those before it.
Status Gradients::Impl::layer_back(int l, GradientSink& sink, const Tensor& d) {
  const TextBatch texts(pool, n() / length, length);
  JANG_ASSIGN(Forward f, inside.forward(texts.items, n()));
  f.probe = nullptr;
  f.kept = &kept;
  JANG_TRY(inside.reserve(f, l, l + 1));
  BackwardPass pass{f, ops, sink, space, {}};
  layer_back(pass, l, d);
  return pass.status;
}

void Gradients::Impl::layer_back(BackwardPass& pass, int l, const Tensor& d) {
  const Layer& layer = inside.graph.layers[static_cast<std::size_t>(l)];
  const bool around = layer.norms == arch::Norms::around;
  Forward& f = pass.forward;
  const Tensor before = hidden(inputs[static_cast<std::size_t>(l)]), between = hidden(x);
  const Tensor normed = hidden(inside.workspace.normed), branch = hidden(inside.workspace.branch);
  const Tensor dnormed = hidden(space.normed), dbranch = hidden(space.branch), raw = hidden(mixer_branch);
  // The layer once more, up to the branch of its feed-forward.
  inside.norm(before, layer.mixer_norm, normed);
  std::visit([&](const auto& mixer) { run(f, mixer, l); }, layer.mixer);
  if (around) device().copy(branch, raw);
  device().copy(before, between);
  device().add_norm({.x = between,
                     .branch = branch,
                     .branch_norm = layer.mixer_out_norm,
                     .norm = layer.ffn_norm,
                     .out = normed,
                     .eps = config().norm.eps,
                     .offset = config().norm.offset});
  std::visit([&](const auto& ffn) { run(f, ffn, normed, branch); }, layer.ffn);
  // The way back; a branch's gradient is that of the sum, through its own norm if it has one.
  if (around) ops.norm(norm(branch, layer.ffn_out_norm, d, dbranch, false));
  std::visit([&](const auto& ffn) { run_back(pass, ffn, normed, around ? dbranch : d, dnormed); }, layer.ffn);
  ops.norm(norm(between, layer.ffn_norm, dnormed, d, true));
  if (around) ops.norm(norm(raw, layer.mixer_out_norm, d, dbranch, false));
  inside.norm(before, layer.mixer_norm, normed);
  std::visit([&](const auto& mixer) { run_back(pass, mixer, l, normed, around ? dbranch : d, dnormed); }, layer.mixer);
  ops.norm(norm(before, layer.mixer_norm, dnormed, d, true));
}

// What is looked up, and of a tied embedding what the head multiplies with.
void Gradients::Impl::embedding_back(BackwardPass& pass, const Tensor& dlogits, const Tensor& d) {
  const Linear& map = inside.graph.embedding;
  const Tensor id = ids.matrix(n(), 1, DType::i32), normed = hidden(head_in);
  if (pass.status.ok()) pass.status = device().write(tokens.data(), id);
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
  for (int l = s.config().n_layers() - 1; l >= 0; --l) JANG_TRY(s.layer_back(l, sink, d));
  s.embedding_back(pass, dlogits, d);
  JANG_TRY(pass.status);
  s.tokens.clear();
  return s.device().wait();
}

}  // namespace jang::model
