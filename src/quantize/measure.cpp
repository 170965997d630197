// SPDX-License-Identifier: Apache-2.0
// One task per tensor: read (a sample of) its rows once, encode them at every choice, keep only the errors.
#include "quantize/measure.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <numeric>

#include "arch/units.h"
#include "base/thread_pool.h"
#include "codec/weight_format.h"
#include "format/targets/target.h"
#include "kernels/devices.h"
#include "kernels/host_ops.h"
#include "plan/budget.h"
#include "quantize/encode_rows.h"
#include "quantize/encode_tasks.h"
#include "quantize/source_rows.h"

namespace jang::quantize {
namespace {

struct Measured {
  std::vector<plan::Choice> choices;
  std::vector<kernels::EncodeError> errors;  // of the sampled rows
  double scale = 1;                          // rows of the tensor over rows sampled
  std::vector<double> fisher;                // sum of squares of gradients times errors, of the tensor; empty: not known
};

// Some rows of a tensor, ascending.
struct Sample {
  std::int64_t stride = 1, n_rows = 0;  // every stride-th row, n_rows in all; or
  std::vector<std::int64_t> drawn;      // these, and
  std::vector<double> counts;           // what the error of each counts in the sum of the tensor
  std::vector<float> values;            // [n_rows, in]
  [[nodiscard]] RowsOf rows_of(int tensor, const Shape& shape) const { return {tensor, shape, 0, stride, drawn}; }
};

Status read_rows(const SourceRows& source, const Shape& shape, Sample* s) {
  const std::int64_t in = columns(shape);
  s->values.resize(static_cast<std::size_t>(s->n_rows * in));
  std::vector<std::byte> scratch;
  if (s->n_rows == rows(shape)) return source.read_floats(0, s->values, scratch);
  const RowsOf which = s->rows_of(0, shape);
  for (std::int64_t i = 0; i < s->n_rows; ++i)
    JANG_TRY(source.read_floats(which.at(i) * in,
                                std::span(s->values).subspan(static_cast<std::size_t>(i * in), static_cast<std::size_t>(in)), scratch));
  return {};
}

Sample every_nth_row(const Shape& shape) {
  Sample s;
  s.stride = std::max<std::int64_t>(1, elements(shape) / kMeasureWeights);
  s.n_rows = ceil_div(rows(shape), s.stride);
  return s;
}

// n rows drawn at even steps of the sum of their squared gradients: a row counts as often as it is met. Fewer rows where some are met more
// than once; none where all gradients are zero.
Sample rows_by_gradient(const format::FisherStatistics& fisher, std::int64_t n) {
  Sample s;
  double total = 0, sum = 0;
  for (const float r : fisher.rows) total += static_cast<double>(r);
  const double step = total / static_cast<double>(n);
  std::int64_t met = 0;
  for (std::size_t row = 0; row < fisher.rows.size(); ++row) {
    sum += static_cast<double>(fisher.rows[row]);
    const std::int64_t before = met;
    while (met < n && sum > (static_cast<double>(met) + 0.5) * step) ++met;
    if (met == before) continue;
    s.drawn.push_back(static_cast<std::int64_t>(row));
    s.counts.push_back(static_cast<double>(met - before) * step);
  }
  s.n_rows = static_cast<std::int64_t>(s.drawn.size());
  return s;
}

// Encodes samples of one tensor and weighs the errors.
class SampleEncoder {
 public:
  SampleEncoder(const kernels::Device& device, const plan::Options& options, DType dtype, const Importance& importance,
                const arch::OutTensor& t, int tensor)
      : device_(device),
        kind_(options.target->kind(t)),
        method_(options.method),
        dtype_(dtype),
        importance_(importance),
        shape_(t.shape),
        tensor_(tensor) {}

  // `fisher`: null where only the error is wanted, else *sum takes the sum over rows of their count times the column-weighted error.
  kernels::EncodeError encode(const Sample& sample, plan::Choice choice, const format::FisherStatistics* fisher, double* sum) {
    kernels::EncodeArgs a;
    a.weights = sample.values.data();
    a.n_rows = sample.n_rows;
    a.in = columns(shape_);
    a.kind = kind_;
    a.bits = choice.bits;
    a.group_size = choice.group_size;
    a.param_dtype = dtype_;
    if (fisher != nullptr) keep_codes(&a);
    const kernels::EncodeError e = encode_rows(device_, method_, a, sample.rows_of(tensor_, shape_), {&importance_, nullptr});
    if (fisher != nullptr) *sum = fisher_sum(a, sample, *fisher);
    return e;
  }

 private:
  void keep_codes(kernels::EncodeArgs* a) {
    const auto params = static_cast<std::size_t>(a->n_rows * (a->in / a->group_size) * size_bytes(dtype_));
    words_.resize(static_cast<std::size_t>(a->n_rows * codec::words_per_row(a->in, a->bits)));
    scales_.resize(params);
    biases_.resize(params);
    a->words = words_.data();
    a->scales = scales_.data();
    a->biases = biases_.data();
    a->float_zeros = biases_.data();
    zeros_.resize(static_cast<std::size_t>(a->n_rows * (a->in / a->group_size)));
    a->zeros = zeros_.data();
  }

  // Row i into decoded_. Affine rows go through the kernel that models run on, which is fast and rounds once; it has no other kind, so the
  // codec decodes those.
  void decode(const kernels::EncodeArgs& a, std::int64_t i) {
    const auto* words = reinterpret_cast<const std::byte*>(words_.data());
    if (a.kind == codec::Kind::affine)
      return kernels::dequantize_row({{DType::u32, a.bits, a.group_size, dtype_}, a.n_rows, a.in, words, a.scales, a.biases}, i,
                                     decoded_.data());
    const codec::WeightFormat& format = *codec::find_format(a.kind, a.bits, a.group_size);
    const bool whole_zeros = a.kind == codec::Kind::integer_zero;
    const std::byte* const starts[] = {words, a.scales, whole_zeros ? reinterpret_cast<const std::byte*>(a.zeros) : a.float_zeros};
    const std::byte* planes[codec::kMaxPlanes] = {};
    for (std::size_t p = 0; p < format.planes().size(); ++p) planes[p] = starts[p] + i * format.planes()[p].row_bytes(a.in, dtype_);
    codec::unpack_row(format, std::span(planes).first(format.planes().size()), dtype_, a.in, decoded_.data());
  }

  double fisher_sum(const kernels::EncodeArgs& a, const Sample& sample, const format::FisherStatistics& fisher) {
    const std::int64_t per_expert = rows_per_expert(shape_);
    const RowsOf which = sample.rows_of(tensor_, shape_);
    decoded_.resize(static_cast<std::size_t>(a.in));
    double sum = 0, total = 0;
    const float* of_columns = nullptr;  // of the row's expert
    for (std::int64_t i = 0; i < a.n_rows; ++i) {
      const float* const its = fisher.columns.data() + which.at(i) / per_expert * a.in;
      if (its != of_columns) total = std::accumulate(its, its + a.in, 0.0);
      of_columns = its;
      if (total == 0) continue;  // an expert that no token chose
      decode(a, i);
      const float* w = a.weights + i * a.in;
      double error = 0;
      for (std::int64_t j = 0; j < a.in; ++j) {
        const double off = static_cast<double>(w[j]) - static_cast<double>(decoded_[static_cast<std::size_t>(j)]);
        error += static_cast<double>(of_columns[j]) * off * off;
      }
      const double count = sample.drawn.empty() ? static_cast<double>(fisher.rows[static_cast<std::size_t>(which.at(i))])
                                                : sample.counts[static_cast<std::size_t>(i)];
      sum += count * error / total;
    }
    return sum;
  }

  const kernels::Device& device_;
  codec::Kind kind_;
  plan::Method method_;
  DType dtype_;
  const Importance& importance_;
  const Shape& shape_;
  int tensor_;
  std::vector<std::uint32_t> words_;
  std::vector<std::byte> scales_, biases_;
  std::vector<std::uint8_t> zeros_;
  std::vector<float> decoded_;
};

// The squared gradients of a tensor, or null. Errors: invalid_argument (of another shape).
Result<const format::FisherStatistics*> fisher_of(const arch::OutTensor& t, const format::Statistics* statistics) {
  const format::FisherStatistics* none = nullptr;
  if (statistics == nullptr) return none;
  const auto found = statistics->fisher.find(t.canonical);
  if (found == statistics->fisher.end()) return none;
  const format::FisherStatistics& f = found->second;
  if (f.n != (t.shape.size() == 3 ? t.shape[0] : 1) || f.in() != columns(t.shape) ||
      static_cast<std::int64_t>(f.rows.size()) != rows(t.shape))
    return Status(StatusCode::invalid_argument, "gradients of " + t.module + " are of another shape than " + to_string(t.shape));
  return &f;
}

Result<Measured> measure(const Source& source, int index, const plan::Options& options, DType dtype, const kernels::Device& device,
                         const Importance& importance, const format::FisherStatistics* fisher) {
  const arch::OutTensor& t = source.model.tensors[static_cast<std::size_t>(index)];
  Measured m;
  for (const plan::Choice& c : plan::auto_choices(t, options))
    if (c.bits) m.choices.push_back(c);
  if (m.choices.empty()) return m;
  const SourceRows reader(source.checkpoint, t);
  Sample sample = every_nth_row(t.shape), drawn;
  JANG_TRY(read_rows(reader, t.shape, &sample));
  m.scale = static_cast<double>(rows(t.shape)) / static_cast<double>(sample.n_rows);
  const bool whole = sample.stride == 1;
  if (fisher != nullptr && !whole) {
    drawn = rows_by_gradient(*fisher, sample.n_rows);
    if (!drawn.drawn.empty()) JANG_TRY(read_rows(reader, t.shape, &drawn));
  }
  SampleEncoder encoder(device, options, dtype, importance, t, index);
  for (const plan::Choice& c : m.choices) {
    double sum = 0;
    m.errors.push_back(encoder.encode(sample, c, whole ? fisher : nullptr, &sum));
    if (!drawn.drawn.empty()) encoder.encode(drawn, c, fisher, &sum);
    if (fisher != nullptr) m.fisher.push_back(sum);
  }
  return m;
}

// Error over norm of whole units.
plan::ErrorTable sum_errors(const std::vector<arch::Unit>& units, const std::vector<Measured>& measured) {
  plan::ErrorTable table;
  for (const arch::Unit& unit : units) {
    std::map<plan::Choice, kernels::EncodeError> sums;
    for (const int i : unit.tensors) {
      const Measured& m = measured[static_cast<std::size_t>(i)];
      for (std::size_t c = 0; c < m.choices.size(); ++c) {
        kernels::EncodeError& sum = sums[m.choices[c]];
        sum.squared_error += m.errors[c].squared_error * m.scale;
        sum.squared_norm += m.errors[c].squared_norm * m.scale;
      }
    }
    for (const auto& [choice, e] : sums) table[unit.name][choice] = e.squared_norm > 0 ? e.squared_error / e.squared_norm : 0.0;
  }
  return table;
}

// Divergence of the units whose quantizable tensors all have squared gradients.
plan::CostTable sum_divergences(const std::vector<arch::Unit>& units, const std::vector<Measured>& measured, std::int64_t positions) {
  plan::CostTable table;
  for (const arch::Unit& unit : units) {
    const auto known = [&](int i) {
      const Measured& m = measured[static_cast<std::size_t>(i)];
      return m.fisher.size() == m.choices.size();
    };
    if (!std::ranges::all_of(unit.tensors, known)) continue;
    for (const int i : unit.tensors) {
      const Measured& m = measured[static_cast<std::size_t>(i)];
      for (std::size_t c = 0; c < m.fisher.size(); ++c)
        table[unit.name][m.choices[c]] += 0.5 * m.fisher[c] / static_cast<double>(positions);
    }
  }
  return table;
}

}  // namespace

Result<plan::ErrorTable> measure_errors(const Source& source, const plan::Options& options, DType param_dtype, const RunOptions& run,
                                        plan::CostTable* fisher) {
  if (fisher != nullptr) fisher->clear();
  JANG_ASSIGN(const std::unique_ptr<kernels::Device> device, kernels::open_device(run.backend, nullptr));
  const std::vector<arch::OutTensor>& tensors = source.model.tensors;
  Importance importance;
  if (run.statistics && options.method != plan::Method::rtn) {
    JANG_ASSIGN(importance, Importance::create(source.model, *run.statistics));
  }
  std::int64_t total_bytes = 0;
  for (const arch::OutTensor& t : tensors) total_bytes += elements(t.shape) * size_bytes(t.source_dtype);

  std::vector<Measured> measured(tensors.size());
  std::atomic<std::int64_t> done_bytes{0};
  std::atomic<bool> stop{false};
  std::mutex mutex;
  Status failure;
  ThreadPool pool(thread_count(run));
  pool.run(static_cast<std::int64_t>(tensors.size()), [&](std::int64_t i, int) {
    if (stop.load(std::memory_order_relaxed) || is_cancelled(run)) return;
    const arch::OutTensor& t = tensors[static_cast<std::size_t>(i)];
    const Result<const format::FisherStatistics*> squares = fisher_of(t, fisher != nullptr ? run.statistics : nullptr);
    Result<Measured> m = squares.ok() ? measure(source, static_cast<int>(i), options, param_dtype, *device, importance, *squares)
                                      : Result<Measured>(squares.status());
    if (!m.ok()) {
      std::lock_guard lock(mutex);
      if (!stop.exchange(true)) failure = m.status();
      return;
    }
    measured[static_cast<std::size_t>(i)] = std::move(m).value();
    const std::int64_t done = done_bytes += elements(t.shape) * size_bytes(t.source_dtype);
    if (run.observer) run.observer->tick(done, total_bytes, t.module);
  });
  JANG_TRY(failure);
  if (is_cancelled(run)) return Status(StatusCode::cancelled, "measuring stopped");

  const std::vector<arch::Unit> units = arch::units_of(source.model);
  if (fisher != nullptr && run.statistics != nullptr && run.statistics->fisher_positions > 0)
    *fisher = sum_divergences(units, measured, run.statistics->fisher_positions);
  return sum_errors(units, measured);
}

}  // namespace jang::quantize
