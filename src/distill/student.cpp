// SPDX-License-Identifier: Apache-2.0
// Source and student side by side over the same windows.
#include "distill/student.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <fmt/format.h>
#include <xxhash.h>

#include "distill/divergence_gradient.h"
#include "distill/rates.h"

namespace jang::distill {
namespace {

constexpr std::int64_t kPositions = 64;  // whose logits are on the host at a time

bool same_shapes(std::span<const kernels::MatrixView> a, std::span<const kernels::MatrixView> b) {
  return std::ranges::equal(
      a, b, [](const kernels::MatrixView& x, const kernels::MatrixView& y) { return x.n_rows == y.n_rows && x.n_cols == y.n_cols; });
}

// Calls f(first, count) for all positions of a window, kPositions at a time.
template <typename F>
Status for_positions(std::int64_t n, const F& f) {
  for (std::int64_t first = 0; first < n; first += kPositions) JANG_TRY(f(first, std::min(kPositions, n - first)));
  return {};
}

}  // namespace

Result<std::unique_ptr<Student>> Student::create(engine::Engine& bundle, engine::Engine& source, int code_bits) {
  const model::Decoder &packed = bundle.decoder(), &dense = source.decoder();
  if (packed.config().vocab != dense.config().vocab || packed.modules() != dense.modules())
    return Status(StatusCode::invalid_argument,
                  fmt::format("{} is not the source of {}: the models have other matrices", source.directory(), bundle.directory()));
  JANG_ASSIGN(model::Gradients gradients, model::Gradients::create(bundle.decoder()));
  std::unique_ptr<Student> student(new Student(bundle, source, std::move(gradients)));
  for (const std::string& path : packed.modules()) {
    const std::span<const kernels::MatrixView> views = packed.matrices(path), wanted = dense.matrices(path);
    if (!same_shapes(views, wanted))
      return Status(StatusCode::invalid_argument,
                    fmt::format("{} is not the source of {}: {} has another shape", source.directory(), bundle.directory(), path));
    const kernels::MatrixFormat& format = views.front().format;
    if (!format.packed()) continue;
    student->modules_.emplace_back(path, views, wanted, format.bits <= code_bits, bundle.pool());
  }
  if (student->modules_.empty())
    return Status(StatusCode::invalid_argument, fmt::format("nothing in {} is packed: there is nothing to train", bundle.directory()));
  for (std::size_t i = 0; i < student->modules_.size(); ++i) student->by_path_.emplace(student->modules_[i].path(), i);
  JANG_TRY(student->install());
  return student;
}

// The weights have changed where they lie; a device with memory of its own takes a copy.
Status Student::install() {
  for (const TrainedModule& module : modules_) JANG_TRY(bundle_.decoder().replace(module.path(), module.weights()));
  return {};
}

Status Student::weight(const model::WeightGradient& part) {
  const auto at = by_path_.find(part.module);
  if (at == by_path_.end()) return {};  // rests
  part_.resize(static_cast<std::size_t>(part.gradient.rows * part.gradient.columns));
  JANG_TRY(bundle_.device().read(part.gradient, part_.data()));
  modules_[at->second].add_gradient(std::max(part.expert, 0), part.first_row, part_);
  return {};
}

Status Student::run(engine::Engine& engine, std::span<const std::int32_t> window, std::vector<float>* hidden) {
  model::Sequence sequence = engine.new_sequence();
  const model::BatchItem item{&sequence, static_cast<std::int64_t>(window.size())};
  return engine.forward({&item, 1}, window, hidden);
}

Result<double> Student::learn(std::span<const std::int32_t> window, double weight) {
  const auto n = static_cast<std::int64_t>(window.size()), vocab = bundle_.decoder().config().vocab;
  const std::int64_t width = source_.decoder().config().hidden;
  std::vector<float> hidden, wanted(static_cast<std::size_t>(std::min(n, kPositions) * vocab)), logits(wanted.size());
  JANG_TRY(run(source_, window, &hidden));
  JANG_ASSIGN(const kernels::Tensor predicted, gradients_.forward(window));
  std::vector<double> sums(static_cast<std::size_t>(n));
  const Status done = for_positions(n, [&](std::int64_t first, std::int64_t count) -> Status {
    const kernels::Tensor rows = predicted.row_range(first, count);
    JANG_TRY(source_.logits(hidden.data() + first * width, count, wanted.data()));
    JANG_TRY(bundle_.device().read(rows, logits.data()));
    bundle_.pool().run(count, [&](std::int64_t i, int) {
      const auto size = static_cast<std::size_t>(vocab);
      sums[static_cast<std::size_t>(first + i)] =
          divergence_gradient({wanted.data() + i * vocab, size}, weight, {logits.data() + i * vocab, size});
    });
    return bundle_.device().write(logits.data(), rows);
  });
  JANG_TRY(done);
  const double sum = std::accumulate(sums.begin(), sums.end(), 0.0);
  if (std::isfinite(sum)) JANG_TRY(gradients_.backward(predicted, *this));
  return sum;
}

Result<double> Student::measure(const calibrate::Windows& windows) {
  const std::int64_t vocab = bundle_.decoder().config().vocab, width = source_.decoder().config().hidden;
  std::vector<float> of_source, of_student, wanted(static_cast<std::size_t>(std::min(windows.length, kPositions) * vocab)),
      logits(wanted.size());
  std::vector<double> sums(windows.tokens.size());
  bool broken = false;
  for (std::int64_t w = 0; w < windows.n() && !broken; ++w) {
    const std::span window(windows.tokens.data() + w * windows.length, static_cast<std::size_t>(windows.length));
    JANG_TRY(run(source_, window, &of_source));
    JANG_TRY(run(bundle_, window, &of_student));
    const Status done = for_positions(windows.length, [&](std::int64_t first, std::int64_t count) -> Status {
      JANG_TRY(source_.logits(of_source.data() + first * width, count, wanted.data()));
      const Status predicted = bundle_.logits(of_student.data() + first * width, count, logits.data());
      broken = broken || predicted.code() == StatusCode::corrupt;
      if (broken) return {};
      JANG_TRY(predicted);
      bundle_.pool().run(count, [&](std::int64_t i, int) {
        const auto size = static_cast<std::size_t>(vocab);
        sums[static_cast<std::size_t>(w * windows.length + first + i)] =
            divergence({wanted.data() + i * vocab, size}, {logits.data() + i * vocab, size});
      });
      return {};
    });
    JANG_TRY(done);
  }
  if (broken) return std::numeric_limits<double>::infinity();
  return std::accumulate(sums.begin(), sums.end(), 0.0) / static_cast<double>(sums.size());
}

Status Student::step(double factor, std::int64_t t) {
  const bool tied = bundle_.decoder().config().tied;
  for (TrainedModule& module : modules_) {
    const bool is_tied_embedding = tied && module.path() == bundle_.decoder().modules().front();
    module.step(scaled(rates_of(module.format().bits, is_tied_embedding), factor), t);
  }
  return install();
}

std::uint64_t Student::fingerprint() const {
  std::vector<std::uint64_t> all;
  for (const TrainedModule& module : modules_) all.push_back(module.fingerprint());
  return XXH3_64bits(all.data(), all.size() * sizeof(std::uint64_t));
}

StoredModules Student::stored() const {
  StoredModules out;
  for (const TrainedModule& module : modules_) out.emplace(module.path(), module.stored());
  return out;
}

Status Student::reset() {
  for (TrainedModule& module : modules_) module.reset();
  return install();
}

void Student::forget_gradient() {
  for (TrainedModule& module : modules_) module.forget_gradient();
}

Status Student::refresh() {
  for (TrainedModule& module : modules_) module.refresh();
  return install();
}

}  // namespace jang::distill
