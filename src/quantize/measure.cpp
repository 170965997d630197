// SPDX-License-Identifier: Apache-2.0
// One task per tensor: read (a sample of) its rows once, encode them at every choice, keep only the errors.
#include "quantize/measure.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>

#include "base/thread_pool.h"
#include "kernels/devices.h"
#include "kernels/host_ops.h"
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
  std::vector<std::int64_t> rows;
  std::vector<float> values;   // [rows, in]
  std::vector<double> weight;  // by row, of a sample drawn for the Fisher error: what its error counts
};

Status read_rows(const SourceRows& source, std::int64_t in, Sample* s) {
  s->values.resize(s->rows.size() * static_cast<std::size_t>(in));
  std::vector<std::byte> scratch;
  const bool all = s->rows.back() + 1 == static_cast<std::int64_t>(s->rows.size());
  if (all) return source.read_floats(0, s->values, scratch);
  for (std::size_t i = 0; i < s->rows.size(); ++i)
    JANG_TRY(source.read_floats(s->rows[i] * in,
                                std::span(s->values).subspan(i * static_cast<std::size_t>(in), static_cast<std::size_t>(in)), scratch));
  return {};
}

Sample every_nth_row(std::int64_t n_rows, std::int64_t in) {
  Sample s;
  const std::int64_t stride = std::max<std::int64_t>(1, n_rows * in / kMeasureWeights);
  for (std::int64_t r = 0; r < n_rows; r += stride) s.rows.push_back(r);
  return s;
}

// As many rows, drawn at even steps of the sum of their squared gradients: a row counts as often as it is met.
Sample rows_by_gradient(const format::FisherStatistics& fisher, std::size_t n) {
  Sample s;
  double total = 0, sum = 0;
  for (const float r : fisher.rows) total += static_cast<double>(r);
  std::size_t met = 0;
  for (std::size_t row = 0; row < fisher.rows.size(); ++row) {
    sum += static_cast<double>(fisher.rows[row]);
    const std::size_t before = met;
    while (met < n && sum > (static_cast<double>(met) + 0.5) * total / static_cast<double>(n)) ++met;
    if (met == before) continue;
    s.rows.push_back(static_cast<std::int64_t>(row));
    s.weight.push_back(static_cast<double>(met - before) * total / static_cast<double>(n));
  }
  return s;
}

// Rows of one tensor encoded at a choice, expert by expert, each with its own weights of the fit.
class SampleEncoder {
 public:
  SampleEncoder(const kernels::Device& device, const plan::Options& options, DType dtype, const Importance& importance, const Shape& shape,
                int tensor)
      : device_(device), method_(options.method), dtype_(dtype), importance_(importance), shape_(shape), tensor_(tensor) {}

  // `fisher`: null where only the error is wanted, else *sum takes the sum over rows of their weight times the column-weighted error.
  kernels::EncodeError encode(const Sample& sample, plan::Choice choice, const format::FisherStatistics* fisher, double* sum) {
    const std::int64_t in = columns(shape_), per_expert = rows_per_expert(shape_);
    kernels::EncodeError total;
    for (std::size_t first = 0, end = 0; first < sample.rows.size(); first = end) {
      const std::int64_t expert = sample.rows[first] / per_expert;
      while (end < sample.rows.size() && sample.rows[end] / per_expert == expert) ++end;
      kernels::EncodeArgs a;
      a.weights = sample.values.data() + static_cast<std::int64_t>(first) * in;
      a.importance = method_ == plan::Method::fit ? importance_.of(tensor_, expert) : nullptr;
      a.n_rows = static_cast<std::int64_t>(end - first);
      a.in = in;
      a.bits = choice.bits;
      a.group_size = choice.group_size;
      a.param_dtype = dtype_;
      if (fisher != nullptr) keep_codes(&a);
      const kernels::EncodeError e = device_.encode(encode_method(method_), a);
      total.squared_error += e.squared_error;
      total.squared_norm += e.squared_norm;
      if (fisher != nullptr) *sum += fisher_sum(a, sample, first, expert, *fisher);
    }
    return total;
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
  }

  double fisher_sum(const kernels::EncodeArgs& a, const Sample& sample, std::size_t first, std::int64_t expert,
                    const format::FisherStatistics& fisher) {
    const float* of_columns = fisher.columns.data() + expert * a.in;
    double total = 0, sum = 0;
    for (std::int64_t j = 0; j < a.in; ++j) total += static_cast<double>(of_columns[j]);
    if (total == 0) return 0;
    const kernels::MatrixView view{{DType::u32, a.bits, a.group_size, dtype_},        a.n_rows, a.in,
                                   reinterpret_cast<const std::byte*>(words_.data()), a.scales, a.biases};
    decoded_.resize(static_cast<std::size_t>(a.in));
    for (std::int64_t i = 0; i < a.n_rows; ++i) {
      kernels::dequantize_row(view, i, decoded_.data());
      const float* w = a.weights + i * a.in;
      double error = 0;
      for (std::int64_t j = 0; j < a.in; ++j) {
        const double off = static_cast<double>(w[j]) - static_cast<double>(decoded_[static_cast<std::size_t>(j)]);
        error += static_cast<double>(of_columns[j]) * off * off;
      }
      const std::size_t at = first + static_cast<std::size_t>(i);
      const double weight =
          sample.weight.empty() ? static_cast<double>(fisher.rows[static_cast<std::size_t>(sample.rows[at])]) : sample.weight[at];
      sum += weight * error / total;
    }
    return sum;
  }

  const kernels::Device& device_;
  plan::Method method_;
  DType dtype_;
  const Importance& importance_;
  const Shape& shape_;
  int tensor_;
  std::vector<std::uint32_t> words_;
  std::vector<std::byte> scales_, biases_;
  std::vector<float> decoded_;
};

// The squared gradients of a tensor, or null. Errors: invalid_argument (of another shape).
Result<const format::FisherStatistics*> fisher_of(const arch::OutTensor& t, const format::Statistics* statistics) {
  const format::FisherStatistics* none = nullptr;
  if (statistics == nullptr) return none;
  const auto found = statistics->fisher.find(t.module);
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
  const std::int64_t in = columns(t.shape);
  Sample sample = every_nth_row(rows(t.shape), in), drawn;
  JANG_TRY(read_rows(reader, in, &sample));
  m.scale = static_cast<double>(rows(t.shape)) / static_cast<double>(sample.rows.size());
  if (fisher != nullptr && m.scale > 1) {
    drawn = rows_by_gradient(*fisher, sample.rows.size());
    if (!drawn.rows.empty()) JANG_TRY(read_rows(reader, in, &drawn));
  }
  SampleEncoder encoder(device, options, dtype, importance, t.shape, index);
  for (const plan::Choice& c : m.choices) {
    double sum = 0;
    m.errors.push_back(encoder.encode(sample, c, m.scale > 1 ? nullptr : fisher, &sum));
    if (!drawn.rows.empty()) encoder.encode(drawn, c, fisher, &sum);
    if (fisher != nullptr) m.fisher.push_back(sum);
  }
  return m;
}

// Divergence by unit and choice: of units whose quantizable tensors all have squared gradients.
plan::CostTable divergences(const std::vector<arch::OutTensor>& tensors, const std::vector<Measured>& measured, std::int64_t positions) {
  plan::CostTable table;
  std::set<std::string> unknown;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Measured& m = measured[i];
    if (m.fisher.size() != m.choices.size()) unknown.insert(tensors[i].unit);
    for (std::size_t c = 0; c < m.fisher.size(); ++c)
      table[tensors[i].unit][m.choices[c]] += 0.5 * m.fisher[c] / static_cast<double>(positions);
  }
  for (const std::string& unit : unknown) table.erase(unit);
  return table;
}

}  // namespace

Result<plan::ErrorTable> measure_errors(const Source& source, const plan::Options& options, DType param_dtype, const RunOptions& run,
                                        plan::CostTable* fisher) {
  JANG_ASSIGN(const std::unique_ptr<kernels::Device> device, kernels::open_device(run.backend, nullptr));
  const std::vector<arch::OutTensor>& tensors = source.model.tensors;
  Importance importance;
  if (run.statistics && options.method == plan::Method::fit) {
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

  if (fisher != nullptr && run.statistics != nullptr && run.statistics->fisher_positions > 0)
    *fisher = divergences(tensors, measured, run.statistics->fisher_positions);
  // Tensors of one unit add up: error and norm of the whole unit.
  std::map<std::string, std::map<plan::Choice, kernels::EncodeError>> sums;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    for (std::size_t c = 0; c < measured[i].choices.size(); ++c) {
      kernels::EncodeError& sum = sums[tensors[i].unit][measured[i].choices[c]];
      sum.squared_error += measured[i].errors[c].squared_error * measured[i].scale;
      sum.squared_norm += measured[i].errors[c].squared_norm * measured[i].scale;
    }
  }
  plan::ErrorTable table;
  for (const auto& [unit, choices] : sums)
    for (const auto& [choice, e] : choices) table[unit][choice] = e.squared_norm > 0 ? e.squared_error / e.squared_norm : 0.0;
  return table;
}

}  // namespace jang::quantize
