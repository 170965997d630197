// SPDX-License-Identifier: Apache-2.0
// Models side by side, a layer at a time; then the decision.
#include "calibrate/scale_trial.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "arch/path.h"
#include "arch/scale_groups.h"
#include "calibrate/reference.h"
#include "calibrate/scaled_weights.h"
#include "model/layers_alone.h"
#include "quantize/encode_tasks.h"

namespace jang::calibrate {
namespace {

// Of the windows of trials: calibrations number theirs from 0 on.
constexpr std::int64_t kFirstTrialWindow = std::int64_t{1} << 40;
constexpr std::int64_t kMaxTrialPositions = 4096;

// "model.layers.*.self_attn.v_proj": groups of one kind differ in numbers only.
std::string kind_of(const std::string& group) {
  std::string kind;
  for (const std::string_view part : arch::split_path(group)) {
    if (!kind.empty()) kind += '.';
    kind += arch::component_number(part) >= 0 ? "*" : std::string(part);
  }
  return kind;
}

// Which rows of Plan::scaling are put on.
using Chosen = std::vector<bool>;

class SideBySide {
 public:
  SideBySide(engine::Engine& engine, const quantize::Source& source, const Windows& windows, const plan::Plan& plan,
             const quantize::ChannelScales& scales, const ScaledWeights& weights, const quantize::RunOptions& run)
      : engine_(engine),
        source_(source),
        windows_(windows),
        plan_(plan),
        scales_(scales),
        weights_(weights),
        run_(run),
        reference_(engine, static_cast<std::int64_t>(windows.tokens.size()), kMaxTrialPositions) {
    for (std::int64_t w = 0; w < windows.n(); ++w) sequences_.push_back(engine.new_sequence());
    for (const arch::OutTensor& t : engine.described().tensors) modules_.emplace(t.canonical, t.module);
  }

  // Which row of Plan::scaling is on the columns and on the rows of every tensor.
  Status find_sides(const arch::ScaleGroups& found);
  // Divergences at every position, by model.
  Result<std::vector<std::vector<double>>> run(const std::vector<Chosen>& models, quantize::Grams* grams);
  [[nodiscard]] const std::vector<std::int32_t>& positions() const { return reference_.positions(); }

 private:
  // Floats in the place of a module's own weights.
  struct Installed {
    std::string module;
    std::vector<kernels::MatrixView> own;
  };

  [[nodiscard]] ScaledSides sides_of(int tensor, const Chosen& chosen) const {
    const auto is_on = [&](int row) { return row >= 0 && chosen[static_cast<std::size_t>(row)]; };
    const auto [columns, rows] = sides_[static_cast<std::size_t>(tensor)];
    return {is_on(columns), is_on(rows)};
  }
  // Tensors that the plan packs, of a stage: -1 tables that are looked up, then layers, then the head.
  [[nodiscard]] std::vector<int> packed_of(int stage) const;
  Result<kernels::Tensor> states(std::size_t model);
  Status layer(int l, const kernels::Tensor& x);
  Status install(int tensor, const std::vector<float>& values, std::vector<Installed>* installed);
  Status restore(std::vector<Installed>* installed);
  // Calls f(model) for every one of `models` with the weights of a stage as that model has them.
  template <typename F>
  Status with_weights(int stage, const std::vector<Chosen>& models, quantize::ScaledGrams* scaled, quantize::Grams* plain, const F& f);

  engine::Engine& engine_;
  const quantize::Source& source_;
  const Windows& windows_;
  const plan::Plan& plan_;
  const quantize::ChannelScales& scales_;
  const ScaledWeights& weights_;
  const quantize::RunOptions& run_;
  Reference reference_;
  std::vector<std::pair<int, int>> sides_;  // by tensor: rows of Plan::scaling, or -1
  std::map<std::string, std::string> modules_;
  std::vector<model::Sequence> sequences_;
  std::vector<std::unique_ptr<model::Array>> arrays_;  // hidden states of the source, then of every model
};

Status SideBySide::find_sides(const arch::ScaleGroups& found) {
  sides_.assign(source_.model.tensors.size(), {-1, -1});
  for (std::size_t row = 0; row < plan_.scaling.size(); ++row) {
    const auto group = std::ranges::find(found.groups, plan_.scaling[row].group, &arch::ScaleGroup::name);
    if (group == found.groups.end()) return {StatusCode::invalid_argument, "no group " + plan_.scaling[row].group};
    for (const int reader : group->readers) sides_[static_cast<std::size_t>(reader)].first = static_cast<int>(row);
    if (!group->is_norm) sides_[static_cast<std::size_t>(group->producer)].second = static_cast<int>(row);
  }
  return {};
}

std::vector<int> SideBySide::packed_of(int stage) const {
  std::vector<int> out;
  for (std::size_t i = 0; i < plan_.tensors.size(); ++i) {
    const arch::OutTensor& t = source_.model.tensors[i];
    const int own = t.role == arch::Role::lm_head ? source_.model.n_layers : t.layer;
    if (plan_.tensors[i].choice.bits != 0 && own == stage && modules_.contains(t.canonical)) out.push_back(static_cast<int>(i));
  }
  return out;
}

Result<kernels::Tensor> SideBySide::states(std::size_t model) {
  while (arrays_.size() <= model) arrays_.push_back(std::make_unique<model::Array>());
  const auto n = static_cast<std::int64_t>(windows_.tokens.size()), hidden = engine_.decoder().config().hidden;
  if (!arrays_[model]->reserve(engine_.device(), n * hidden)) return Status(StatusCode::out_of_memory, "no memory for the hidden states");
  return arrays_[model]->matrix(n, hidden);
}

Status SideBySide::layer(int l, const kernels::Tensor& x) {
  std::vector<model::BatchItem> batch;
  for (model::Sequence& s : sequences_) {
    (void)s.truncate(0);
    batch.push_back({&s, windows_.length});
  }
  return engine_.decoder().layers(batch, l, l + 1, x);
}

Status SideBySide::install(int tensor, const std::vector<float>& values, std::vector<Installed>* installed) {
  const std::string& module = modules_.at(source_.model.tensors[static_cast<std::size_t>(tensor)].canonical);
  const auto own = engine_.decoder().matrices(module);
  if (own.empty()) return {};  // the engine does not run it
  std::vector<kernels::MatrixView> views;
  const std::byte* at = reinterpret_cast<const std::byte*>(values.data());
  for (const kernels::MatrixView& v : own) {
    views.push_back({{}, v.n_rows, v.n_cols, at});
    at += v.n_rows * v.n_cols * static_cast<std::int64_t>(sizeof(float));
  }
  if (at != reinterpret_cast<const std::byte*>(values.data() + values.size()))
    return {StatusCode::unsupported, fmt::format("module {} has other shapes in the engine than in the plan", module)};
  installed->push_back({module, {own.begin(), own.end()}});
  return engine_.decoder().replace(module, views);
}

Status SideBySide::restore(std::vector<Installed>* installed) {
  for (const Installed& row : *installed) JANG_TRY(engine_.decoder().replace(row.module, row.own));
  installed->clear();
  return {};
}

template <typename F>
Status SideBySide::with_weights(int stage, const std::vector<Chosen>& models, quantize::ScaledGrams* scaled, quantize::Grams* plain,
                                const F& f) {
  std::map<std::pair<int, ScaledSides>, std::vector<float>> made;  // models share what they have alike
  const std::vector<int> packed = packed_of(stage);
  for (std::size_t m = 0; m < models.size(); ++m) {
    if (quantize::is_cancelled(run_)) return {StatusCode::cancelled, "the trial of scales was stopped"};
    std::vector<Installed> installed;
    Status status;
    for (const int tensor : packed) {
      const std::pair key(tensor, sides_of(tensor, models[m]));
      if (!made.contains(key)) {
        Result<std::vector<float>> values = weights_.values(tensor, key.second, scaled, plain);
        status = values.status();
        if (status.ok()) made[key] = std::move(values).value();
      }
      if (status.ok()) status = install(tensor, made[key], &installed);
      if (!status.ok()) break;
    }
    if (status.ok()) status = f(m);
    JANG_TRY(restore(&installed));
    JANG_TRY(status);
  }
  return {};
}

Result<std::vector<std::vector<double>>> SideBySide::run(const std::vector<Chosen>& models, quantize::Grams* grams) {
  JANG_TRY(model::check_layers_alone(engine_.decoder().config()));
  SilentObserver silent;
  Observer& observer = run_.observer ? *run_.observer : silent;
  observer.count("layers");
  const int n_layers = engine_.decoder().config().n_layers();
  std::optional<quantize::ScaledGrams> scaled;
  if (grams != nullptr) scaled.emplace(*grams, source_.model, scales_);
  quantize::ScaledGrams* const with_factors = scaled ? &*scaled : nullptr;
  JANG_ASSIGN(const kernels::Tensor x, states(0));
  JANG_TRY(engine_.decoder().embed(windows_.tokens, x));
  JANG_TRY(with_weights(-1, models, nullptr, nullptr, [&](std::size_t m) -> Status {
    JANG_ASSIGN(const kernels::Tensor y, states(m + 1));
    return engine_.decoder().embed(windows_.tokens, y);
  }));
  for (int l = 0; l < n_layers; ++l) {
    if (scaled) JANG_TRY(scaled->prepare(l));
    JANG_TRY(layer(l, x));
    JANG_TRY(with_weights(l, models, with_factors, grams, [&](std::size_t m) -> Status {
      JANG_ASSIGN(const kernels::Tensor y, states(m + 1));
      return layer(l, y);
    }));
    observer.tick(l + 1, n_layers + 1, "layers");
  }
  if (scaled) JANG_TRY(scaled->prepare(n_layers));
  JANG_TRY(reference_.keep(x));
  std::vector<std::vector<double>> out(models.size());
  const bool is_tied = source_.model.tied;
  JANG_TRY(with_weights(is_tied ? -1 : n_layers, models, is_tied ? nullptr : with_factors, is_tied ? nullptr : grams,
                        [&](std::size_t m) -> Status {
                          JANG_ASSIGN(const kernels::Tensor y, states(m + 1));
                          JANG_ASSIGN(out[m], reference_.divergences(y));
                          return {};
                        }));
  observer.tick(n_layers + 1, n_layers + 1, "head");
  return out;
}

struct Difference {
  double mean = 0, error = 0;  // standard error, from the windows' means
};

Difference difference(const std::vector<double>& a, const std::vector<double>& b, const std::vector<std::int32_t>& positions,
                      std::int64_t window) {
  std::map<std::int64_t, std::pair<double, double>> by_window;  // sum, count
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    auto& [total, n] = by_window[positions[i] / window];
    total += a[i] - b[i];
    n += 1;
    sum += a[i] - b[i];
  }
  Difference d{sum / static_cast<double>(a.size()), 0};
  const auto n = static_cast<double>(by_window.size());
  double squares = 0;
  for (const auto& [w, row] : by_window) squares += (row.first / row.second - d.mean) * (row.first / row.second - d.mean);
  if (n > 1) d.error = std::sqrt(squares / (n - 1) / n);
  return d;
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

void refuse(const Chosen& keeps, plan::Plan* plan) {
  for (std::size_t i = 0; i < keeps.size(); ++i) {
    plan::Scaling& s = plan->scaling[i];
    if (keeps[i] || s.exponent == 0) continue;
    s.exponent = s.of_weights = s.gain = 0;
    s.refused = true;
  }
}

}  // namespace

Result<Windows> trial_windows(engine::Engine& engine, const format::Statistics& statistics, Observer& observer, const CancelFlag* cancel) {
  TextOptions o{.n_windows = kTrialWindows, .length = statistics.window_length, .first = kFirstTrialWindow};
  if (o.length < 2) o.length = TextOptions{}.length;
  if (const std::int64_t positions = engine.decoder().config().max_positions; positions > 1) o.length = std::min(o.length, positions);
  return sample_windows(engine, o, observer, cancel);
}

Status try_scales(engine::Engine& engine, const quantize::Source& source, const Windows& windows, const GramMaker& make_grams,
                  const quantize::RunOptions& run, plan::Plan* plan) {
  SilentObserver silent;
  Observer& observer = run.observer ? *run.observer : silent;
  std::map<std::string, std::vector<std::size_t>> kinds;
  for (std::size_t i = 0; i < plan->scaling.size(); ++i)
    if (plan->scaling[i].exponent > 0) kinds[kind_of(plan->scaling[i].group)].push_back(i);
  if (kinds.empty()) return {};
  JANG_ASSIGN(const arch::DecoderConfig config, arch::decoder_config(source.model));
  JANG_ASSIGN(const quantize::ChannelScales scales, quantize::ChannelScales::create(source, *plan, *run.statistics));
  const format::Statistics* const weighing = plan->method == plan::Method::rtn ? nullptr : run.statistics;
  JANG_ASSIGN(const ScaledWeights weights, ScaledWeights::create(engine, source, *plan, scales, weighing));
  SideBySide models(engine, source, windows, *plan, scales, weights, run);
  JANG_TRY(models.find_sides(arch::scale_groups(source.model, config)));

  const Chosen none(plan->scaling.size(), false), all(plan->scaling.size(), true);
  std::vector<Chosen> tried = {none, all};
  for (const auto& [kind, rows] : kinds) {
    Chosen others = all;
    for (const std::size_t row : rows) others[row] = false;
    if (kinds.size() > 1) tried.push_back(std::move(others));
  }
  const bool feeds_back = plan->method == plan::Method::gptq && make_grams;
  const auto measure = [&](const std::vector<Chosen>& some) {
    const std::unique_ptr<quantize::Grams> grams = feeds_back ? make_grams() : nullptr;
    return models.run(some, grams.get());
  };
  const auto less = [&](const std::vector<double>& a, const std::vector<double>& b) {
    return difference(a, b, models.positions(), windows.length);
  };
  JANG_ASSIGN(const std::vector<std::vector<double>> at, measure(tried));
  Chosen keeps = all;
  std::size_t k = 2;
  for (const auto& [kind, rows] : kinds) {
    if (kinds.size() == 1) break;
    const Difference d = less(at[k], at[1]);
    observer.info(fmt::format("without scales of {}: divergence {:.5f} in the place of {:.5f}", kind, mean(at[k]), mean(at[1])));
    if (d.mean < 0)
      for (const std::size_t row : rows) keeps[row] = false;
    ++k;
  }
  std::vector<double> kept = at[1];
  if (keeps != all && keeps != none) {
    const auto known = std::ranges::find(tried, keeps);
    if (known != tried.end()) {
      kept = at[static_cast<std::size_t>(known - tried.begin())];
    } else {
      JANG_ASSIGN(const std::vector<std::vector<double>> again, measure({keeps}));
      kept = again.front();
    }
  }
  Difference d = less(kept, at[0]);
  if (keeps == none || d.mean >= 0) {
    keeps = none;
    kept = at[0];
    d = {};
  }
  plan->scaling_trial = plan::ScalingTrial{static_cast<std::int64_t>(kept.size()), mean(at[0]), mean(kept), d.error};
  refuse(keeps, plan);
  observer.info(
      fmt::format("divergence on text of its own that the search did not see: {:.5f} without scaling, {:.5f} with what is kept of it "
                  "(difference {:+.5f} ± {:.5f})",
                  mean(at[0]), mean(kept), mean(kept) - mean(at[0]), d.error));
  return {};
}

}  // namespace jang::calibrate
