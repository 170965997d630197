// SPDX-License-Identifier: Apache-2.0
// Rows of the readers, read once a group; all exponents side by side on all threads.
#include "quantize/scale_search.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include <fmt/format.h>

#include "arch/decoder_config.h"
#include "base/phases.h"
#include "base/thread_pool.h"
#include "kernels/devices.h"
#include "plan/layout.h"
#include "quantize/channel_scales.h"
#include "quantize/encode_tasks.h"
#include "quantize/scale_loss.h"
#include "quantize/source_rows.h"

namespace jang::quantize {
namespace {

constexpr std::int64_t kRows = 256;  // of a reader
constexpr std::int64_t kTaskRows = 32;
constexpr double kWeightExponents[] = {0.15, 0.3, 0.45, 0.6}, kMoreOfInputs[] = {0, 0.1, 0.2};

// Rows of one matrix of a reader, as the source has them.
struct ReaderRows {
  int tensor = 0;
  std::int64_t expert = 0, n_rows = 0, in = 0;
  const codec::WeightFormat* format = nullptr;
  std::vector<float> weights;
  std::vector<float> importance;        // h
  const kernels::Gram* gram = nullptr;  // may be null
  std::vector<double> row_weights;      // what an error of the outputs counts
};

class Search {
 public:
  Search(const Source& source, const format::Statistics& statistics, const RunOptions& run, const kernels::Device& device, float offset,
         Importance importance, plan::Plan* plan)
      : source_(source),
        statistics_(statistics),
        run_(run),
        device_(device),
        offset_(offset),
        importance_(std::move(importance)),
        plan_(plan),
        pool_(thread_count(run)) {}

  // The plan's row of one group, or why there is none.
  Status add(const arch::ScaleGroup& group) {
    std::optional<GroupInputs> inputs = group_inputs(source_.model, group, statistics_);
    if (!inputs) return leave(group, "the statistics do not tell what its channels hold");
    has_gradients_ = std::ranges::all_of(group.readers, [&](int reader) {
      return statistics_.fisher.contains(source_.model.tensors[static_cast<std::size_t>(reader)].canonical);
    });
    JANG_ASSIGN(const std::vector<ReaderRows> samples, read(group));
    if (samples.empty()) return leave(group, "none of its readers is packed");
    JANG_ASSIGN(const std::vector<float> gains, norm_weights(source_, group));
    JANG_ASSIGN(inputs->weights, weight_sizes(source_, *plan_, group));
    std::vector<Exponents> tried = of_inputs();
    JANG_ASSIGN(std::vector<double> losses, measure(group, *inputs, gains, samples, tried));
    const std::vector<Exponents> others = of_weights(tried[best_of(losses)]);
    JANG_ASSIGN(const std::vector<double> more, measure(group, *inputs, gains, samples, others));
    tried.insert(tried.end(), others.begin(), others.end());
    losses.insert(losses.end(), more.begin(), more.end());
    const std::size_t best = best_of(losses);
    const double gain = losses[0] > 0 ? 1 - losses[best] / losses[0] : 0;
    const bool keeps = gain >= kLeastGain;
    const Exponents found = keeps ? tried[best] : Exponents();
    plan_->scaling.push_back({.group = group.name,
                              .exponent = found.inputs,
                              .gain = keeps ? gain : 0,
                              .experts_left = experts_left(group, *inputs),
                              .of_weights = found.weights});
    return {};
  }

  Status leave(const arch::ScaleGroup& group, std::string reason) {
    plan_->unscaled.push_back({group.name, std::move(reason)});
    return {};
  }

 private:
  static constexpr int kSteps = 20;

  // The identity first.
  static std::vector<Exponents> of_inputs() {
    std::vector<Exponents> tried;
    for (int step = 0; step <= kSteps; ++step) tried.push_back({static_cast<double>(step) / kSteps, 0});
    return tried;
  }
  // Around the best exponent of the inputs alone: where weights are divided by their size, inputs may count for more.
  static std::vector<Exponents> of_weights(Exponents best) {
    std::vector<Exponents> tried;
    for (const double weights : kWeightExponents)
      for (const double more : kMoreOfInputs)
        if (const double inputs = best.inputs + more; inputs > 0 && inputs <= 1) tried.push_back({inputs, weights});
    return tried;
  }
  static std::size_t best_of(const std::vector<double>& losses) {
    return static_cast<std::size_t>(std::ranges::min_element(losses) - losses.begin());
  }

  std::vector<double> row_weights(const arch::OutTensor& tensor, std::int64_t expert, std::int64_t n_rows) const;
  Result<std::vector<ReaderRows>> read(const arch::ScaleGroup& group) const;
  // The loss with each of `tried`.
  Result<std::vector<double>> measure(const arch::ScaleGroup& group, const GroupInputs& inputs, std::span<const float> gains,
                                      std::span<const ReaderRows> samples, std::span<const Exponents> tried);

  const Source& source_;
  const format::Statistics& statistics_;
  const RunOptions& run_;
  const kernels::Device& device_;
  float offset_;
  bool has_gradients_ = false;  // of every reader of the group
  Importance importance_;
  plan::Plan* plan_;
  ThreadPool pool_;
};

// Row k of n_rows drawn ones. The squared gradients of a row of weights, summed over its columns, are those of its output times the squared
// inputs.
std::vector<double> Search::row_weights(const arch::OutTensor& t, std::int64_t expert, std::int64_t n_rows) const {
  const auto inputs = statistics_.inputs.find(t.canonical);
  if (inputs == statistics_.inputs.end()) return std::vector<double>(static_cast<std::size_t>(n_rows), 1);
  const auto e = static_cast<std::size_t>(expert);
  std::vector<double> weights(static_cast<std::size_t>(n_rows), static_cast<double>(inputs->second.tokens[e]));
  const auto fisher = statistics_.fisher.find(t.canonical);
  if (!has_gradients_ || fisher == statistics_.fisher.end()) return weights;
  const auto in = static_cast<std::size_t>(columns(t.shape));
  double squares = 0;
  for (std::size_t c = 0; c < in; ++c) squares += static_cast<double>(inputs->second.mean_square[e * in + c]);
  const std::int64_t per_matrix = rows_per_expert(t.shape);
  for (std::int64_t k = 0; k < n_rows; ++k) {
    const double gradient =
        static_cast<double>(fisher->second.rows[static_cast<std::size_t>(expert * per_matrix + k * per_matrix / n_rows)]);
    weights[static_cast<std::size_t>(k)] = squares > 0 ? gradient / squares : 0;
  }
  return weights;
}

// Every packed reader in equal parts: rows spread evenly over every matrix.
Result<std::vector<ReaderRows>> Search::read(const arch::ScaleGroup& group) const {
  std::vector<ReaderRows> samples;
  std::vector<std::byte> scratch;
  for (const int reader : group.readers) {
    const plan::Choice choice = plan_->tensors[static_cast<std::size_t>(reader)].choice;
    if (choice.bits == 0) continue;
    const arch::OutTensor& t = source_.model.tensors[static_cast<std::size_t>(reader)];
    const std::int64_t in = columns(t.shape), per_matrix = rows_per_expert(t.shape), n = rows(t.shape) / per_matrix;
    const std::int64_t wanted = std::clamp<std::int64_t>(kRows / n, std::min<std::int64_t>(per_matrix, 8), per_matrix);
    const SourceRows source_rows(source_.checkpoint, t);
    for (std::int64_t e = 0; e < n; ++e) {
      ReaderRows s;
      s.tensor = reader;
      s.expert = e;
      s.n_rows = wanted;
      s.in = in;
      s.format = plan::format_of(*plan_->target, t, choice);
      s.weights.resize(static_cast<std::size_t>(wanted * in));
      for (std::int64_t k = 0; k < wanted; ++k)
        JANG_TRY(source_rows.read_floats((e * per_matrix + k * per_matrix / wanted) * in,
                                         std::span(s.weights).subspan(static_cast<std::size_t>(k * in), static_cast<std::size_t>(in)),
                                         scratch));
      if (const float* h = importance_.of(reader, e)) s.importance.assign(h, h + in);
      s.row_weights = row_weights(t, e, wanted);
      s.gram = run_.grams != nullptr ? run_.grams->of(reader, e) : nullptr;
      if (s.importance.empty() && s.gram == nullptr) continue;
      samples.push_back(std::move(s));
    }
  }
  return samples;
}

Result<std::vector<double>> Search::measure(const arch::ScaleGroup& group, const GroupInputs& inputs, std::span<const float> gains,
                                            std::span<const ReaderRows> samples, std::span<const Exponents> tried) {
  struct Task {
    std::size_t step, sample;
    std::int64_t begin;
  };
  const DType stored = plan::stored_dtype(source_.model.tensors[static_cast<std::size_t>(group.producer)], plan_->dtype);
  std::vector<ChannelScales> scales(tried.size());
  std::vector<Task> tasks;
  for (std::size_t k = 0; k < scales.size(); ++k) {
    if (tried[k].inputs > 0)
      scales[k].fold(source_.model, group, group_scales(source_.model, group, inputs, tried[k], gains, offset_, stored));
    for (std::size_t i = 0; i < samples.size(); ++i)
      for (std::int64_t row = 0; row < samples[i].n_rows; row += kTaskRows) tasks.push_back({k, i, row});
  }
  // A feedback encoder wants the matrix of the divided inputs; one for every step and matrix.
  std::vector<kernels::Gram> grams(scales.size() * samples.size());
  std::vector<Status> failed(grams.size());
  const auto factors = [&](std::size_t step, const ReaderRows& s) -> const float* {
    const TensorScales* t = scales[step].of(s.tensor);
    return t == nullptr ? nullptr : t->columns_of(s.expert);
  };
  if (plan_->method == plan::Method::gptq)
    pool_.run(static_cast<std::int64_t>(grams.size()), [&](std::int64_t i, int) {
      const std::size_t step = static_cast<std::size_t>(i) / samples.size(), at = static_cast<std::size_t>(i) % samples.size();
      const float* s = factors(step, samples[at]);
      if (s == nullptr || samples[at].gram == nullptr) return;
      Result<kernels::Gram> made = scaled_gram(*samples[at].gram, s);
      failed[static_cast<std::size_t>(i)] = made.status();
      if (made.ok()) grams[static_cast<std::size_t>(i)] = std::move(made).value();
    });
  for (const Status& status : failed) JANG_TRY(status);
  std::vector<double> errors(tasks.size());
  pool_.run(static_cast<std::int64_t>(tasks.size()), [&](std::int64_t i, int) {
    if (is_cancelled(run_)) return;
    const Task& task = tasks[static_cast<std::size_t>(i)];
    const ReaderRows& s = samples[task.sample];
    const kernels::Gram& own = grams[task.step * samples.size() + task.sample];
    LossOf loss{.weights = s.weights.data() + task.begin * s.in,
                .n_rows = std::min(kTaskRows, s.n_rows - task.begin),
                .in = s.in,
                .format = *s.format,
                .method = plan_->method,
                .param_dtype = plan_->dtype,
                .importance = s.importance.empty() ? nullptr : s.importance.data(),
                .gram = s.gram,
                .factors = factors(task.step, s),
                .scaled = own.n > 0 ? &own : s.gram,
                .row_weights = s.row_weights.data() + task.begin};
    errors[static_cast<std::size_t>(i)] = scaled_loss(device_, loss);
  });
  if (is_cancelled(run_)) return Status(StatusCode::cancelled, "the search of scales was stopped");
  std::vector<double> losses(tried.size());
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const ReaderRows& s = samples[tasks[i].sample];
    const double stands_for = static_cast<double>(rows_per_expert(source_.model.tensors[static_cast<std::size_t>(s.tensor)].shape)) /
                              static_cast<double>(s.n_rows);
    losses[tasks[i].step] += errors[i] * stands_for;
  }
  return losses;
}

// What came of it, in a line, and what stays as it is.
void tell(const plan::Plan& plan, Observer& observer) {
  double least = 1, most = 0;
  std::int64_t n_scaled = 0, n_experts = 0;
  for (const plan::Scaling& s : plan.scaling) {
    n_experts += s.experts_left;
    if (s.exponent == 0) continue;
    ++n_scaled;
    least = std::min(least, s.exponent);
    most = std::max(most, s.exponent);
  }
  std::string text = fmt::format("channels of {} of {} groups are rescaled", n_scaled, plan.scaling.size() + plan.unscaled.size());
  if (n_scaled > 0) text += fmt::format(", with exponents from {:.2f} to {:.2f}", least, most);
  if (n_experts > 0) text += fmt::format("; {} experts saw too little text for scales of their own", n_experts);
  observer.info(text);
  for (const plan::Unscaled& u : plan.unscaled) observer.info(fmt::format("{} stays as it is: {}", u.group, u.reason));
}

}  // namespace

Status search_scales(const Source& source, const format::Statistics& statistics, const RunOptions& run, plan::Plan* plan) {
  SilentObserver silent;
  Observer& observer = run.observer ? *run.observer : silent;
  begin_phase(observer, "scale", "groups");
  Result<arch::DecoderConfig> config = arch::decoder_config(source.model);
  if (!config.ok())
    return Status(config.status().code(),
                  fmt::format("channels are rescaled only where every reader is known: {}", config.status().message()));
  JANG_ASSIGN(Importance importance, Importance::create(source.model, statistics));
  JANG_ASSIGN(const std::unique_ptr<kernels::Device> device, kernels::open_device(run.backend, nullptr));
  plan->activation_aware = true;
  plan->statistics = statistics.digest;
  plan->scaling.clear();
  plan->unscaled.clear();
  const arch::ScaleGroups found = arch::scale_groups(source.model, *config);
  for (const arch::Dropped& row : found.left_out) plan->unscaled.push_back({row.name, row.reason});
  Search search(source, statistics, run, *device, config->norm.offset, std::move(importance), plan);
  int stage = -1;
  for (std::size_t i = 0; i < found.groups.size(); ++i) {
    const arch::ScaleGroup& group = found.groups[i];
    if (run.grams != nullptr && group.layer != stage) JANG_TRY(run.grams->prepare(stage = group.layer));
    JANG_TRY(search.add(group));
    observer.tick(static_cast<std::int64_t>(i + 1), static_cast<std::int64_t>(found.groups.size()), group.name);
  }
  tell(*plan, observer);
  return {};
}

}  // namespace jang::quantize
