// SPDX-License-Identifier: Apache-2.0
// A probe that adds outer products on the device, and the matrices made of its sums.
#include "calibrate/model_grams.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "base/check.h"
#include "calibrate/moments.h"
#include "model/layers_alone.h"
#include "model/workspace.h"

namespace jang::calibrate {
namespace {

constexpr std::int64_t kBatchTokens = 4096;  // of one forward
constexpr double kShrinkTokens = 64;         // inputs that the matrix over all experts counts for

// Sums over the inputs of maps that share them: one matrix, or one an expert, on the device.
struct Sums {
  std::int64_t n = 0;
  std::vector<model::Array> matrices;
  std::vector<std::int64_t> tokens;
};

class Outer final : public model::Probe {
 public:
  explicit Outer(model::Decoder& decoder) : decoder_(decoder) {}

  void input(std::span<const std::string_view> modules, int expert, kernels::Device& device, const kernels::Tensor& x) override {
    if (!status_.ok() || x.columns % 32 != 0) return;
    Sums& s = sums_of(modules, x.columns);
    const auto e = static_cast<std::size_t>(std::max(expert, 0));
    JANG_CHECK(e < s.matrices.size());
    if (s.tokens[e] == 0 && !start(device, &s.matrices[e], x.columns)) return;
    device.gram(x, s.matrices[e].matrix(x.columns, x.columns));
    s.tokens[e] += x.rows;
  }

  [[nodiscard]] const Status& status() const { return status_; }
  [[nodiscard]] Sums* find(const std::string& module) const {
    const auto at = by_module_.find(module);
    return at == by_module_.end() ? nullptr : at->second.get();
  }

 private:
  bool start(kernels::Device& device, model::Array* array, std::int64_t n) {
    const std::vector<float> zeros(static_cast<std::size_t>(n * n));
    if (!array->reserve(device, n * n)) {
      status_ = Status(StatusCode::out_of_memory, "no memory for the Gram matrices of a layer");
    } else {
      status_ = device.write(zeros.data(), array->matrix(n, n));
    }
    return status_.ok();
  }
  Sums& sums_of(std::span<const std::string_view> modules, std::int64_t n) {
    const auto found = by_module_.find(modules.front());
    if (found != by_module_.end()) return *found->second;
    const std::size_t count = decoder_.matrices(modules.front()).size();
    JANG_CHECK(count > 0);
    const auto s = std::make_shared<Sums>();
    s->n = n;
    s->matrices.resize(count);
    s->tokens.resize(count);
    for (const std::string_view module : modules) by_module_.emplace(module, s);
    return *s;
  }

  model::Decoder& decoder_;
  Status status_;
  std::map<std::string, std::shared_ptr<Sums>, std::less<>> by_module_;
};

}  // namespace

struct ModelGrams::Impl {
  using Matrices = std::vector<kernels::Gram>;  // one, or one per expert

  engine::Engine& engine;
  const arch::Model& model;
  const Windows& windows;
  const CancelFlag* cancel;
  std::vector<model::Sequence> sequences;
  model::Array hidden;  // [tokens, hidden]
  int done = 0;         // layers that the hidden states have passed
  bool started = false;
  std::vector<std::shared_ptr<const Matrices>> by_tensor;  // of the stage; empty where there are none

  std::int64_t n_tokens() const { return static_cast<std::int64_t>(windows.tokens.size()); }
  kernels::Tensor states() { return hidden.matrix(n_tokens(), engine.decoder().config().hidden); }

  Status start() {
    if (started) return {};
    JANG_TRY(model::check_layers_alone(engine.decoder().config()));
    if (!hidden.reserve(engine.device(), n_tokens() * engine.decoder().config().hidden))
      return {StatusCode::out_of_memory, "no memory for the hidden states of the calibration text"};
    const std::int64_t n = std::clamp<std::int64_t>(kBatchTokens / windows.length, 1, windows.n());
    for (std::int64_t i = 0; i < n; ++i) sequences.push_back(engine.new_sequence());
    started = true;
    return engine.decoder().embed(windows.tokens, states());
  }

  // Every window through layers [begin, end), a few at a time.
  Status layers(int begin, int end) {
    for (std::int64_t w = 0; w < windows.n(); w += static_cast<std::int64_t>(sequences.size())) {
      if (cancel != nullptr && cancel->load(std::memory_order_relaxed)) return {StatusCode::cancelled, "conversion stopped"};
      const std::int64_t n = std::min(static_cast<std::int64_t>(sequences.size()), windows.n() - w);
      std::vector<model::BatchItem> batch;
      for (std::int64_t i = 0; i < n; ++i) {
        (void)sequences[static_cast<std::size_t>(i)].truncate(0);
        batch.push_back({&sequences[static_cast<std::size_t>(i)], windows.length});
      }
      JANG_TRY(engine.decoder().layers(batch, begin, end, states().row_range(w * windows.length, n * windows.length)));
    }
    return {};
  }

  // The head's input: the probe sees it before the product, whose results nobody needs.
  Status head() {
    std::vector<float> logits(static_cast<std::size_t>(kHeadRows * engine.decoder().config().vocab));
    for (std::int64_t i = 0; i < n_tokens(); i += kHeadRows) {
      if (cancel != nullptr && cancel->load(std::memory_order_relaxed)) return {StatusCode::cancelled, "conversion stopped"};
      JANG_TRY(engine.logits(states().row_range(i, std::min(kHeadRows, n_tokens() - i)), logits.data()));
    }
    return {};
  }

  Result<std::shared_ptr<const Matrices>> factorize(Sums& sums);
  Status take(const Outer& outer);
};

Result<std::shared_ptr<const ModelGrams::Impl::Matrices>> ModelGrams::Impl::factorize(Sums& sums) {
  const std::int64_t n = sums.n, size = n * n;
  const std::size_t count = sums.matrices.size();
  std::vector<std::vector<float>> means(count);
  std::vector<double> all(count > 1 ? static_cast<std::size_t>(size) : 0);
  double total = 0;
  for (std::size_t e = 0; e < count; ++e) {
    means[e].resize(static_cast<std::size_t>(size));
    if (sums.tokens[e] > 0) JANG_TRY(engine.device().read(sums.matrices[e].matrix(n, n), means[e].data()));
    sums.matrices[e] = {};
    for (std::size_t i = 0; i < all.size(); ++i) all[i] += static_cast<double>(means[e][i]);
    total += static_cast<double>(sums.tokens[e]);
  }
  if (total == 0) return std::shared_ptr<const Matrices>();
  const double shrink = count > 1 ? kShrinkTokens : 0;
  auto made = std::make_shared<Matrices>(count);
  std::vector<Status> failed(count);
  const auto make = [&](std::size_t e, ThreadPool* pool) {
    const double seen = static_cast<double>(sums.tokens[e]) + shrink;
    for (std::size_t i = 0; i < means[e].size(); ++i)
      means[e][i] = static_cast<float>((static_cast<double>(means[e][i]) + (shrink > 0 ? shrink * all[i] / total : 0)) / seen);
    Result<kernels::Gram> gram = kernels::make_gram(means[e], n, pool);
    failed[e] = gram.status();
    if (gram.ok()) (*made)[e] = std::move(gram).value();
    means[e] = {};
  };
  if (count == 1)
    make(0, &engine.pool());
  else
    engine.pool().run(static_cast<std::int64_t>(count), [&](std::int64_t e, int) { make(static_cast<std::size_t>(e), nullptr); });
  for (const Status& status : failed) JANG_TRY(status);
  return std::shared_ptr<const Matrices>(std::move(made));
}

Status ModelGrams::Impl::take(const Outer& outer) {
  std::map<const Sums*, std::shared_ptr<const Matrices>> made;
  by_tensor.assign(model.tensors.size(), nullptr);
  for (std::size_t i = 0; i < model.tensors.size(); ++i) {
    const arch::OutTensor& t = model.tensors[i];
    Sums* sums = t.quantizable ? outer.find(t.canonical) : nullptr;
    if (sums == nullptr || sums->n != columns(t.shape)) continue;
    if (!made.contains(sums)) {
      JANG_ASSIGN(made[sums], factorize(*sums));
    }
    by_tensor[i] = made[sums];
  }
  return {};
}

ModelGrams::ModelGrams(engine::Engine& engine, const arch::Model& model, const Windows& windows, const CancelFlag* cancel)
    : impl_(new Impl{engine, model, windows, cancel, {}, {}, 0, false, {}}) {}
ModelGrams::~ModelGrams() = default;

Status ModelGrams::prepare(int stage) {
  Impl& s = *impl_;
  s.by_tensor.clear();
  JANG_TRY(s.start());
  const int n_layers = s.engine.decoder().config().n_layers();
  JANG_CHECK(stage >= s.done && stage <= n_layers);
  JANG_TRY(s.layers(s.done, stage));
  Outer outer(s.engine.decoder());
  s.engine.decoder().set_probe(&outer);
  const Status ran = stage < n_layers ? s.layers(stage, stage + 1) : s.head();
  s.engine.decoder().set_probe(nullptr);
  JANG_TRY(ran);
  JANG_TRY(outer.status());
  s.done = std::min(stage + 1, n_layers);
  return s.take(outer);
}

const kernels::Gram* ModelGrams::of(int tensor, std::int64_t expert) const {
  const auto i = static_cast<std::size_t>(tensor);
  if (i >= impl_->by_tensor.size() || impl_->by_tensor[i] == nullptr) return nullptr;
  return &(*impl_->by_tensor[i])[static_cast<std::size_t>(expert)];
}

}  // namespace jang::calibrate
