// SPDX-License-Identifier: Apache-2.0
// One task per tensor: read (a sample of) its rows once, encode them at every choice, keep only the errors.
#include "quantize/measure.h"

#include <algorithm>
#include <atomic>
#include <mutex>

#include "base/thread_pool.h"
#include "kernels/devices.h"
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
};

struct Sample {
  std::int64_t stride = 1, n_rows = 0;  // every stride-th row, n_rows in all
  std::vector<float> values;            // [n_rows, in]
};

Result<Sample> read_sample(const SourceRows& rows, const arch::OutTensor& t) {
  const std::int64_t n_rows = jang::rows(t.shape), in = columns(t.shape);
  Sample s;
  s.stride = std::max<std::int64_t>(1, n_rows * in / kMeasureWeights);
  s.n_rows = ceil_div(n_rows, s.stride);
  s.values.resize(static_cast<std::size_t>(s.n_rows * in));
  std::vector<std::byte> scratch;
  if (s.stride == 1) {
    JANG_TRY(rows.read_floats(0, s.values, scratch));
    return s;
  }
  for (std::int64_t i = 0; i < s.n_rows; ++i)
    JANG_TRY(rows.read_floats(i * s.stride * in,
                              std::span(s.values).subspan(static_cast<std::size_t>(i * in), static_cast<std::size_t>(in)), scratch));
  return s;
}

Result<Measured> measure(const Source& source, int index, const plan::Options& options, DType dtype, const kernels::Device& device,
                         const Importance& importance) {
  const arch::OutTensor& t = source.model.tensors[static_cast<std::size_t>(index)];
  Measured m;
  for (const plan::Choice& c : plan::auto_choices(t, options))
    if (c.bits) m.choices.push_back(c);
  if (m.choices.empty()) return m;
  JANG_ASSIGN(const Sample sample, read_sample(SourceRows(source.checkpoint, t), t));
  m.scale = static_cast<double>(rows(t.shape)) / static_cast<double>(sample.n_rows);
  for (const plan::Choice& c : m.choices) {
    kernels::EncodeArgs a;
    a.weights = sample.values.data();
    a.n_rows = sample.n_rows;
    a.in = columns(t.shape);
    a.bits = c.bits;
    a.group_size = c.group_size;
    a.param_dtype = dtype;
    m.errors.push_back(encode_rows(device, options.method, a, {index, t.shape, 0, sample.stride}, {&importance, nullptr}));
  }
  return m;
}

}  // namespace

Result<plan::ErrorTable> measure_errors(const Source& source, const plan::Options& options, DType param_dtype, const RunOptions& run) {
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
    Result<Measured> m = measure(source, static_cast<int>(i), options, param_dtype, *device, importance);
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
