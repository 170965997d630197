// SPDX-License-Identifier: Apache-2.0
// Random cotangents, a backward per window, squares added up.
#include "calibrate/fisher.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/checked.h"
#include "engine/counter_draw.h"
#include "kernels/host_ops.h"
#include "model/backward.h"

namespace jang::calibrate {
namespace {

constexpr std::int64_t kPositions = 64;  // whose logits are on the host at a time
constexpr std::int64_t kRows = 64;       // of a gradient, of a task

// Squares of one module's gradients.
struct Squares {
  std::int64_t n = 0, out = 0, in = 0;
  std::vector<double> rows, columns;  // [n, out], [n, in]
};

class SquareSums final : public model::GradientSink {
 public:
  explicit SquareSums(engine::Engine& engine) : engine_(engine) {
    const model::Decoder& decoder = engine.decoder();
    for (const std::string& module : decoder.modules()) {
      const auto views = decoder.matrices(module);
      Squares s{static_cast<std::int64_t>(views.size()), views.front().n_rows, views.front().n_cols, {}, {}};
      s.rows.resize(static_cast<std::size_t>(s.n * s.out));
      s.columns.resize(static_cast<std::size_t>(s.n * s.in));
      by_module_.emplace(module, std::move(s));
    }
  }

  Status weight(const model::WeightGradient& part) override {
    Squares& s = by_module_.find(part.module)->second;
    const std::int64_t n = part.gradient.rows, matrix = std::max(part.expert, 0), tasks = ceil_div(n, kRows);
    gradient_.resize(static_cast<std::size_t>(n * s.in));
    JANG_TRY(engine_.device().read(part.gradient, gradient_.data()));
    of_task_.assign(static_cast<std::size_t>(tasks * s.in), 0.0);
    double* rows = s.rows.data() + matrix * s.out + part.first_row;
    engine_.pool().run(tasks, [&](std::int64_t t, int) {
      double* columns = of_task_.data() + t * s.in;
      for (std::int64_t r = t * kRows; r < std::min(n, (t + 1) * kRows); ++r) {
        const float* g = gradient_.data() + r * s.in;
        double sum = 0;
        for (std::int64_t c = 0; c < s.in; ++c) {
          const double square = static_cast<double>(g[c]) * static_cast<double>(g[c]);
          sum += square;
          columns[c] += square;
        }
        rows[r] += sum;
      }
    });
    double* columns = s.columns.data() + matrix * s.in;
    for (std::int64_t t = 0; t < tasks; ++t)
      for (std::int64_t c = 0; c < s.in; ++c) columns[c] += of_task_[static_cast<std::size_t>(t * s.in + c)];
    return {};
  }

  Result<std::map<std::string, format::FisherStatistics>> statistics() const {
    std::map<std::string, format::FisherStatistics> out;
    for (const auto& [module, s] : by_module_) {
      format::FisherStatistics f{s.n, {s.rows.begin(), s.rows.end()}, {s.columns.begin(), s.columns.end()}};
      for (const std::vector<float>* values : {&f.rows, &f.columns})
        if (!std::ranges::all_of(*values, [](float v) { return std::isfinite(v); }))
          return Status(StatusCode::unsupported, fmt::format("the gradients of {} exceed float32; --trials needs none", module));
      out.emplace(module, std::move(f));
    }
    return out;
  }

 private:
  engine::Engine& engine_;
  std::map<std::string, Squares, std::less<>> by_module_;
  std::vector<float> gradient_;  // read from the device
  std::vector<double> of_task_;  // columns, by task
};

}  // namespace

void cotangent(std::span<float> logits, std::uint64_t seed, std::int64_t window, std::int64_t position) {
  const auto log_sum = static_cast<float>(kernels::log_sum_exp(logits.data(), static_cast<std::int64_t>(logits.size())));
  const std::uint64_t key = engine::counter_bits(seed, window, position);
  std::uint64_t bits = 0;
  double along = 0;  // <sqrt(p), z>
  for (std::size_t i = 0; i < logits.size(); ++i, bits >>= 1) {
    if (i % 64 == 0) bits = engine::mix_bits(key + i / 64);
    const float root = std::exp(0.5f * (logits[i] - log_sum));  // of the probability
    logits[i] = (bits & 1u) != 0 ? root : -root;
    along += static_cast<double>(logits[i]);
  }
  const auto mean = static_cast<float>(along);
  for (float& v : logits) v -= v * v * mean;
}

Status put_cotangents(engine::Engine& engine, const kernels::Tensor& logits, std::uint64_t seed, std::int64_t window) {
  const std::int64_t n = logits.rows, vocab = logits.columns;
  std::vector<float> rows(static_cast<std::size_t>(std::min(n, kPositions) * vocab));
  for (std::int64_t first = 0; first < n; first += kPositions) {
    const std::int64_t count = std::min(kPositions, n - first);
    JANG_TRY(engine.device().read(logits.row_range(first, count), rows.data()));
    engine.pool().run(count, [&](std::int64_t i, int) {
      const std::span<float> row(rows.data() + i * vocab, static_cast<std::size_t>(vocab));
      if (first + i + 1 < n)
        cotangent(row, seed, window, first + i);
      else
        std::ranges::fill(row, 0.0f);
    });
    JANG_TRY(engine.device().write(rows.data(), logits.row_range(first, count)));
  }
  return {};
}

Result<Fisher> measure_fisher(engine::Engine& engine, const Windows& windows, std::uint64_t seed, Observer& observer,
                              const CancelFlag* cancel) {
  JANG_ASSIGN(model::Gradients gradients, model::Gradients::create(engine.decoder()));
  SquareSums sums(engine);
  Fisher fisher;
  for (std::int64_t w = 0; w < windows.n(); ++w) {
    if (cancel && cancel->load(std::memory_order_relaxed)) return Status(StatusCode::cancelled, "calibration stopped");
    const std::span tokens(windows.tokens.data() + w * windows.length, static_cast<std::size_t>(windows.length));
    JANG_ASSIGN(const kernels::Tensor logits, gradients.forward(tokens, windows.length));
    JANG_TRY(put_cotangents(engine, logits, seed, w));
    JANG_TRY(gradients.backward(logits, sums));
    fisher.positions += windows.length - 1;
    observer.tick(w + 1, windows.n(), "gradients");
  }
  JANG_ASSIGN(fisher.by_module, sums.statistics());
  return fisher;
}

}  // namespace jang::calibrate
