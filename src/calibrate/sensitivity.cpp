// SPDX-License-Identifier: Apache-2.0
// The laboratory: reference predictions, backgrounds and trials.
#include "calibrate/sensitivity.h"

#include <algorithm>

#include "base/clock.h"
#include "calibrate/reference.h"
#include "model/layers_alone.h"
#include "plan/tiers.h"

namespace jang::calibrate {
namespace {

// Units that a plan may quantize: no router.
std::vector<arch::Unit> units_to_try(const arch::Model& model) {
  std::vector<arch::Unit> units = arch::units_of(model);
  std::erase_if(units, [&](const arch::Unit& u) { return plan::tier_of(model, u) == plan::Tier::keep; });
  return units;
}

}  // namespace

struct Laboratory::Impl {
  engine::Engine& engine;
  const Windows& windows;
  const quantize::Importance& importance;
  EncodeOptions options;
  std::vector<arch::Unit> units;
  std::map<std::string, Storage> source;      // own storage of every unit
  std::map<std::string, Storage> background;  // units stored otherwise
  Reference reference;
  std::vector<model::Sequence> sequences;
  // On the device: hidden states [tokens, hidden] that roll forward, those of a trial.
  model::Array rolling, changed;
  double seconds = 0;

  std::int64_t hidden() const { return engine.decoder().config().hidden; }
  int n_layers() const { return engine.decoder().config().n_layers(); }

  std::vector<model::BatchItem> batch() {
    std::vector<model::BatchItem> items;
    for (model::Sequence& s : sequences) {
      (void)s.truncate(0);
      items.push_back({&s, windows.length});
    }
    return items;
  }

  Result<kernels::Tensor> hidden_states(model::Array* array) {
    const auto n = static_cast<std::int64_t>(windows.tokens.size());
    if (!array->reserve(engine.device(), n * hidden())) return Status(StatusCode::out_of_memory, "no memory for the hidden states");
    return array->matrix(n, hidden());
  }
  Status embed(const kernels::Tensor& x) { return engine.decoder().embed(windows.tokens, x); }
  Status layers(int begin, int end, const kernels::Tensor& x) { return engine.decoder().layers(batch(), begin, end, x); }
  // Embedding and all layers.
  Result<kernels::Tensor> forward() {
    JANG_ASSIGN(const kernels::Tensor x, hidden_states(&rolling));
    JANG_TRY(embed(x));
    JANG_TRY(layers(0, n_layers(), x));
    return x;
  }

  const Storage& storage_now(const std::string& unit) const {
    const auto at = background.find(unit);
    return at == background.end() ? source.at(unit) : at->second;
  }

  // Divergence with one unit stored as the trial says; `x` holds the hidden states before its layer and is not changed.
  Status run_trial(const kernels::Tensor& x, Trial* trial) {
    const arch::Unit& unit = *trial->unit;
    Storage other;
    if (trial->choice.bits) {
      JANG_ASSIGN(other, encode_unit(engine, unit, source.at(unit.name), trial->choice, importance, options));
      trial->error = other.error;
    }
    JANG_TRY(install(engine.decoder(), trial->choice.bits ? other : source.at(unit.name)));
    JANG_ASSIGN(const kernels::Tensor y, hidden_states(&changed));
    Status status;
    if (unit.layer >= 0 || unit.role == arch::Role::lm_head)
      engine.device().copy(x, y);
    else
      status = embed(y);
    if (status.ok() && unit.role != arch::Role::lm_head) status = layers(std::max(unit.layer, 0), n_layers(), y);
    if (status.ok()) {
      const Result<double> measured = reference.divergence(y);
      status = measured.status();
      if (measured.ok()) trial->divergence = measured.value();
    }
    JANG_TRY(install(engine.decoder(), storage_now(unit.name)));
    return status;
  }
};

Laboratory::Laboratory(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Laboratory::Laboratory(Laboratory&&) noexcept = default;
Laboratory::~Laboratory() {
  if (!impl_) return;
  for (const auto& [name, storage] : impl_->source) (void)install(impl_->engine.decoder(), storage);
}

const std::vector<arch::Unit>& Laboratory::units() const { return impl_->units; }
std::int64_t Laboratory::positions() const { return static_cast<std::int64_t>(impl_->reference.positions().size()); }
double Laboratory::forward_seconds() const { return impl_->seconds; }

Result<Laboratory> Laboratory::create(engine::Engine& engine, const Windows& windows, std::int64_t max_positions,
                                      const quantize::Importance& importance, const EncodeOptions& options) {
  auto impl = std::unique_ptr<Impl>(new Impl{engine,
                                             windows,
                                             importance,
                                             options,
                                             units_to_try(engine.described()),
                                             {},
                                             {},
                                             Reference(engine, static_cast<std::int64_t>(windows.tokens.size()), max_positions),
                                             {},
                                             {},
                                             {},
                                             0});
  for (const arch::Unit& unit : impl->units) impl->source.emplace(unit.name, current_storage(engine, unit));
  for (std::int64_t w = 0; w < windows.n(); ++w) impl->sequences.push_back(engine.new_sequence());
  const auto start = Clock::now();
  JANG_ASSIGN(const kernels::Tensor x, impl->forward());
  JANG_TRY(impl->reference.keep(x));
  impl->seconds = seconds_since(start);
  return Laboratory(std::move(impl));
}

Result<double> Laboratory::set_background(const std::map<std::string, plan::Choice>& choices) {
  Impl& s = *impl_;
  for (const auto& [name, storage] : s.background) JANG_TRY(install(s.engine.decoder(), s.source.at(name)));
  s.background.clear();
  for (const arch::Unit& unit : s.units) {
    const auto choice = choices.find(unit.name);
    if (choice == choices.end() || choice->second.bits == 0) continue;
    JANG_ASSIGN(Storage storage, encode_unit(s.engine, unit, s.source.at(unit.name), choice->second, s.importance, s.options));
    const auto at = s.background.emplace(unit.name, std::move(storage)).first;
    JANG_TRY(install(s.engine.decoder(), at->second));
  }
  JANG_ASSIGN(const kernels::Tensor x, s.forward());
  return s.reference.divergence(x);
}

Status Laboratory::run(std::vector<Trial>& trials, Observer& observer, const CancelFlag* cancel) {
  JANG_TRY(model::check_layers_alone(impl_->engine.decoder().config()));
  Impl& s = *impl_;
  // Embedding first, then by layer, the head last: the hidden states roll forward once.
  std::vector<Trial*> order;
  for (Trial& t : trials) order.push_back(&t);
  const auto key = [&](const Trial* t) { return t->unit->role == arch::Role::lm_head ? s.n_layers() : t->unit->layer; };
  std::ranges::stable_sort(order, {}, key);
  JANG_ASSIGN(const kernels::Tensor x, s.hidden_states(&s.rolling));
  JANG_TRY(s.embed(x));
  int at = 0;
  std::int64_t done = 0;
  for (Trial* trial : order) {
    if (cancel && cancel->load(std::memory_order_relaxed)) return {StatusCode::cancelled, "measuring sensitivities stopped"};
    for (; at < key(trial); ++at) JANG_TRY(s.layers(at, at + 1, x));
    JANG_TRY(s.run_trial(x, trial));
    observer.tick(++done, static_cast<std::int64_t>(order.size()), trial->unit->name);
  }
  return {};
}

}  // namespace jang::calibrate
