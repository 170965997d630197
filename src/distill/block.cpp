// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "distill/block.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "base/check.h"
#include "distill/rates.h"

namespace jang::distill {

Result<std::unique_ptr<Block>> Block::create(engine::Engine& bundle, engine::Engine& source, int layer, std::span<const float> gram,
                                             int code_bits) {
  JANG_CHECK(&bundle.device() == &source.device());
  model::Decoder& packed = bundle.decoder();
  JANG_ASSIGN(model::Gradients gradients, model::Gradients::create(packed));
  std::unique_ptr<Block> block(new Block(bundle, layer, std::move(gradients)));
  JANG_TRY(block->set_gram(gram));
  for (const std::string& path : packed.modules_of(layer)) {
    const std::span<const kernels::MatrixView> views = packed.matrices(path);
    const kernels::MatrixFormat& format = views.front().format;
    if (!format.packed()) continue;
    JANG_ASSIGN(TrainedModule module, TrainedModule::create(path, views, source.decoder().matrices(path), format.bits <= code_bits,
                                                            bundle.device(), bundle.pool()));
    block->own_[path].assign(views.begin(), views.end());
    block->by_path_.emplace(path, block->modules_.size());
    block->modules_.push_back(std::move(module));
  }
  for (const TrainedModule& module : block->modules_) JANG_TRY(packed.replace(module.path(), module.weights()));
  return block;
}

Block::~Block() {
  for (const auto& [path, views] : own_) JANG_CHECK(bundle_.decoder().replace(path, views).ok());  // as they were when they were bound
}

Status Block::set_gram(std::span<const float> gram) {
  kernels::Device& device = bundle_.device();
  const std::int64_t width = bundle_.decoder().config().hidden;
  JANG_CHECK(static_cast<std::int64_t>(gram.size()) == width * width);
  if (!gram_.reserve(device, width * width))
    return {StatusCode::out_of_memory, fmt::format("no memory for a matrix of {0} x {0} values", width)};
  JANG_TRY(device.write(gram.data(), gram_.matrix(width, width)));
  JANG_ASSIGN(gram_map_, device.share(gram_.matrix(width, width), 1, {}));
  return {};
}

Status Block::weight(const model::WeightGradient& part) {
  const auto at = by_path_.find(part.module);
  if (at == by_path_.end()) return {};  // rests
  modules_[at->second].add_gradient(std::max(part.expert, 0), part.first_row, part.gradient);
  return {};
}

Result<double> Block::run_part(std::span<const float> before, std::span<const float> wanted, std::int64_t length, bool learns) {
  kernels::Device& device = bundle_.device();
  const std::int64_t width = bundle_.decoder().config().hidden, n = static_cast<std::int64_t>(before.size()) / width;
  for (model::Array* array : {&before_, &off_, &gradient_})
    if (!array->reserve(device, n * width))
      return Status(StatusCode::out_of_memory, fmt::format("no memory for the hidden states of {} tokens", n));
  const kernels::Tensor x = before_.matrix(n, width), off = off_.matrix(n, width), gradient = gradient_.matrix(n, width);
  JANG_TRY(device.write(before.data(), x));
  JANG_ASSIGN(const kernels::Tensor after, gradients_.forward_layer(layer_, x, length));
  std::vector<float> d(before.size()), g(before.size());
  JANG_TRY(device.read(after, d.data()));
  for (std::size_t i = 0; i < d.size(); ++i) d[i] -= wanted[i];
  JANG_TRY(device.write(d.data(), off));
  const kernels::LinearOut product[] = {{gram_map_.get(), gradient}};
  device.linear(off, product);
  JANG_TRY(device.read(gradient, g.data()));
  double sum = 0;
  for (std::size_t i = 0; i < d.size(); ++i) sum += static_cast<double>(d[i]) * static_cast<double>(g[i]);
  if (learns) JANG_TRY(gradients_.backward_layer(gradient, *this));
  return sum / 2;
}

Result<double> Block::run(std::span<const float> before, std::span<const float> wanted, std::int64_t length, bool learns) {
  const auto window = static_cast<std::size_t>(length * bundle_.decoder().config().hidden);
  const std::size_t part = window * static_cast<std::size_t>(std::max<std::int64_t>(1, kBlockTokens / length));
  JANG_CHECK(before.size() == wanted.size() && before.size() % window == 0);
  double sum = 0;
  for (std::size_t at = 0; at < before.size(); at += part) {
    const std::size_t n = std::min(part, before.size() - at);
    JANG_ASSIGN(const double of_part, run_part(before.subspan(at, n), wanted.subspan(at, n), length, learns));
    sum += of_part;
  }
  return sum;
}

Result<double> Block::loss(std::span<const float> before, std::span<const float> wanted, std::int64_t length) {
  return run(before, wanted, length, false);
}
Result<double> Block::learn(std::span<const float> before, std::span<const float> wanted, std::int64_t length) {
  return run(before, wanted, length, true);
}

Status Block::step(double factor, std::int64_t t) {
  for (TrainedModule& module : modules_) module.step(scaled(rates_of(module.format().bits, false), factor), t);
  return bundle_.device().wait();
}

Result<StoredModules> Block::stored() const {
  StoredModules out;
  for (const TrainedModule& module : modules_) {
    JANG_ASSIGN(out[module.path()], module.stored());
  }
  return out;
}

Status Block::reset() {
  for (TrainedModule& module : modules_) JANG_TRY(module.reset());
  return {};
}

}  // namespace jang::distill
