// SPDX-License-Identifier: Apache-2.0
// Source and student side by side over the same windows.
#include "distill/student.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>
#include <xxhash.h>

#include "distill/rates.h"

namespace jang::distill {
namespace {

// Logits of the student that are on the device at a time. They decide how many windows run side by side: the larger the vocabulary, the
// larger the matrices, and the less there is to win by it. A card has more to win and the room for it.
constexpr std::int64_t kStudentLogits = std::int64_t{1} << 26, kStudentLogitsOfCard = std::int64_t{1} << 30;

bool same_shapes(std::span<const kernels::MatrixView> a, std::span<const kernels::MatrixView> b) {
  return std::ranges::equal(
      a, b, [](const kernels::MatrixView& x, const kernels::MatrixView& y) { return x.n_rows == y.n_rows && x.n_cols == y.n_cols; });
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
  JANG_CHECK(&bundle.device() == &source.device());
  JANG_ASSIGN(model::Gradients gradients, model::Gradients::create(bundle.decoder()));
  std::unique_ptr<Student> student(new Student(bundle, source, std::move(gradients)));
  for (const std::string& path : packed.modules()) {
    const std::span<const kernels::MatrixView> views = packed.matrices(path), wanted = dense.matrices(path);
    if (!same_shapes(views, wanted))
      return Status(StatusCode::invalid_argument,
                    fmt::format("{} is not the source of {}: {} has another shape", source.directory(), bundle.directory(), path));
    const kernels::MatrixFormat& format = views.front().format;
    if (!format.packed()) continue;
    JANG_ASSIGN(TrainedModule module, TrainedModule::create(path, views, wanted, format.bits <= code_bits, bundle.device(), bundle.pool()));
    student->modules_.push_back(std::move(module));
  }
  if (student->modules_.empty())
    return Status(StatusCode::invalid_argument, fmt::format("nothing in {} is packed: there is nothing to train", bundle.directory()));
  for (std::size_t i = 0; i < student->modules_.size(); ++i) student->by_path_.emplace(student->modules_[i].path(), i);
  for (const TrainedModule& module : student->modules_) JANG_TRY(bundle.decoder().replace(module.path(), module.weights()));
  return student;
}

Status Student::weight(const model::WeightGradient& part) {
  const auto at = by_path_.find(part.module);
  if (at == by_path_.end()) return {};  // rests
  modules_[at->second].add_gradient(std::max(part.expert, 0), part.first_row, part.gradient);
  return {};
}

std::span<const std::int32_t> Student::part_of(const calibrate::Windows& windows, std::int64_t first) const {
  const std::int64_t logits = bundle_.device().has_own_memory() ? kStudentLogitsOfCard : kStudentLogits;
  const std::int64_t at_once = std::max<std::int64_t>(1, logits / (windows.length * bundle_.decoder().config().vocab));
  const std::int64_t n = std::min(at_once, windows.n() - first);
  return {windows.tokens.data() + first * windows.length, static_cast<std::size_t>(n * windows.length)};
}

Result<double> Student::learn_part(std::span<const std::int32_t> tokens, std::int64_t length, double weight) {
  std::vector<float> hidden;
  JANG_TRY(run(source_, tokens, length, &hidden));
  JANG_ASSIGN(const kernels::Tensor predicted, gradients_.forward(tokens, length));
  JANG_ASSIGN(const double sum, divergence_.sum(hidden, static_cast<float>(weight), predicted));
  if (std::isfinite(sum)) JANG_TRY(gradients_.backward(predicted, *this));
  return sum;
}

Result<double> Student::measure_part(std::span<const std::int32_t> tokens, std::int64_t length) {
  const auto n = static_cast<std::int64_t>(tokens.size());
  const std::int64_t vocab = bundle_.decoder().config().vocab, width = bundle_.decoder().config().hidden;
  std::vector<float> of_source, of_student;
  JANG_TRY(run(source_, tokens, length, &of_source));
  JANG_TRY(run(bundle_, tokens, length, &of_student));
  if (!hidden_.reserve(bundle_.device(), n * width) || !logits_.reserve(bundle_.device(), n * vocab))
    return Status(StatusCode::out_of_memory, fmt::format("no memory for the predictions of {} tokens", n));
  const kernels::Tensor x = hidden_.matrix(n, width), logits = logits_.matrix(n, vocab);
  JANG_TRY(bundle_.device().write(of_student.data(), x));
  JANG_TRY(bundle_.decoder().head(x, logits));
  return divergence_.sum(of_source, 0, logits);
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
  double sum = 0;
  for (std::int64_t w = 0; w < windows.n() && std::isfinite(sum);) {
    const std::span<const std::int32_t> part = part_of(windows, w);
    JANG_ASSIGN(const double of_part, measure_part(part, windows.length));
    sum += of_part;
    w += static_cast<std::int64_t>(part.size()) / windows.length;
  }
  return std::isfinite(sum) ? sum / static_cast<double>(windows.tokens.size()) : std::numeric_limits<double>::infinity();
}

Status Student::step(double factor, std::int64_t t) {
  const bool tied = bundle_.decoder().config().tied;
  for (TrainedModule& module : modules_) {
    const bool is_tied_embedding = tied && module.path() == bundle_.decoder().modules().front();
    module.step(scaled(rates_of(module.format().bits, is_tied_embedding), factor), t);
  }
  return device().wait();
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

Result<StoredModules> Student::stored() const {
  StoredModules out;
  for (const TrainedModule& module : modules_) {
    JANG_ASSIGN(out[module.path()], module.stored());
  }
  return out;
}

Status Student::reset() {
  for (TrainedModule& module : modules_) JANG_TRY(module.reset());
  return {};
}

Status Student::refresh() {
  for (TrainedModule& module : modules_) module.refresh();
  return device().wait();
}

}  // namespace jang::distill
