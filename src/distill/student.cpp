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

// Logits on the device and on the host at a time. What they hold decides how many windows run side by side: the larger the vocabulary, the
// larger the matrices, and the less there is to win by it.
constexpr std::int64_t kDeviceLogits = std::int64_t{1} << 26, kHostLogits = std::int64_t{1} << 22;

bool same_shapes(std::span<const kernels::MatrixView> a, std::span<const kernels::MatrixView> b) {
  return std::ranges::equal(
      a, b, [](const kernels::MatrixView& x, const kernels::MatrixView& y) { return x.n_rows == y.n_rows && x.n_cols == y.n_cols; });
}

// Calls f(first, count) for all of n positions, as many at a time as the host holds logits of.
template <typename F>
Status for_positions(std::int64_t n, std::int64_t vocab, const F& f) {
  const std::int64_t step = std::clamp<std::int64_t>(kHostLogits / vocab, 1, n);
  for (std::int64_t first = 0; first < n; first += step) JANG_TRY(f(first, std::min(step, n - first)));
  return {};
}

// Hidden states of the last layer [n, hidden] on the host, of windows of `length` tokens each.
Status run(engine::Engine& engine, std::span<const std::int32_t> tokens, std::int64_t length, std::vector<float>* hidden) {
  std::vector<model::Sequence> sequences;
  std::vector<model::BatchItem> batch;
  for (std::size_t at = 0; at < tokens.size(); at += static_cast<std::size_t>(length)) sequences.push_back(engine.new_sequence());
  for (model::Sequence& sequence : sequences) batch.push_back({&sequence, length});
  return engine.forward(batch, tokens, hidden);
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

std::span<const std::int32_t> Student::part_of(const calibrate::Windows& windows, std::int64_t first) const {
  const std::int64_t at_once = std::max<std::int64_t>(1, kDeviceLogits / (windows.length * bundle_.decoder().config().vocab));
  const std::int64_t n = std::min(at_once, windows.n() - first);
  return {windows.tokens.data() + first * windows.length, static_cast<std::size_t>(n * windows.length)};
}

Result<double> Student::learn_part(std::span<const std::int32_t> tokens, std::int64_t length, double weight) {
  const auto n = static_cast<std::int64_t>(tokens.size()), vocab = bundle_.decoder().config().vocab;
  const std::int64_t width = source_.decoder().config().hidden;
  std::vector<float> hidden, wanted, logits;
  JANG_TRY(run(source_, tokens, length, &hidden));
  JANG_ASSIGN(const kernels::Tensor predicted, gradients_.forward(tokens, length));
  std::vector<double> sums(tokens.size());
  const Status done = for_positions(n, vocab, [&](std::int64_t first, std::int64_t count) -> Status {
    const kernels::Tensor rows = predicted.row_range(first, count);
    wanted.resize(static_cast<std::size_t>(count * vocab));
    logits.resize(wanted.size());
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

Result<double> Student::learn(const calibrate::Windows& windows, const CancelFlag* cancel) {
  const auto positions = static_cast<double>(windows.tokens.size());
  double sum = 0;
  for (std::int64_t w = 0; w < windows.n() && std::isfinite(sum);) {
    if (cancel != nullptr && cancel->load(std::memory_order_relaxed)) return Status(StatusCode::cancelled, "distillation stopped");
    const std::span<const std::int32_t> part = part_of(windows, w);
    JANG_ASSIGN(const double of_part, learn_part(part, windows.length, 1 / positions));
    sum += of_part;
    w += static_cast<std::int64_t>(part.size()) / windows.length;
  }
  return sum / positions;
}

Result<double> Student::measure(const calibrate::Windows& windows) {
  const std::int64_t vocab = bundle_.decoder().config().vocab, width = source_.decoder().config().hidden;
  std::vector<float> of_source, of_student, wanted, logits;
  std::vector<double> sums(windows.tokens.size());
  bool broken = false;
  for (std::int64_t w = 0; w < windows.n() && !broken;) {
    const std::span<const std::int32_t> part = part_of(windows, w);
    JANG_TRY(run(source_, part, windows.length, &of_source));
    JANG_TRY(run(bundle_, part, windows.length, &of_student));
    const Status done = for_positions(static_cast<std::int64_t>(part.size()), vocab, [&](std::int64_t first, std::int64_t count) -> Status {
      wanted.resize(static_cast<std::size_t>(count * vocab));
      logits.resize(wanted.size());
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
    w += static_cast<std::int64_t>(part.size()) / windows.length;
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
  // What rests counts as well: a source of other weights is another teacher, a bundle of others another student.
  for (const model::Decoder* decoder : {&source_.decoder(), &bundle_.decoder()}) {
    for (const std::string& path : decoder->modules()) {
      if (decoder == &bundle_.decoder() && by_path_.contains(path)) continue;  // its weights are the module's
      for (const kernels::MatrixView& m : decoder->matrices(path))
        all.push_back(XXH3_64bits(m.data, static_cast<std::size_t>(m.n_rows * m.row_bytes())));
    }
  }
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
