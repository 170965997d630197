// SPDX-License-Identifier: Apache-2.0
// Task list and task execution: read rows, check, encode or cast, write.
#include "quantize/encode_tasks.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <span>

#include <fmt/format.h>

#include "base/check.h"
#include "base/float16.h"
#include "base/thread_pool.h"
#include "codec/affine.h"
#include "kernels/params.h"
#include "quantize/encode_rows.h"
#include "quantize/source_rows.h"

namespace jang::quantize {
namespace {

constexpr float kMaxFloat16 = 65504.0f;

// Where the parts of every tensor lie in the layout.
struct PartIndex {
  int weight = -1, scales = -1, biases = -1, plain = -1;
};

std::vector<PartIndex> index_parts(const plan::Layout& layout, std::size_t n_tensors) {
  std::vector<PartIndex> index(n_tensors);
  for (std::size_t i = 0; i < layout.parts.size(); ++i) {
    PartIndex& p = index[static_cast<std::size_t>(layout.parts[i].tensor)];
    switch (layout.parts[i].part) {
      case plan::Part::weight: p.weight = static_cast<int>(i); break;
      case plan::Part::scales: p.scales = static_cast<int>(i); break;
      case plan::Part::biases: p.biases = static_cast<int>(i); break;
      case plan::Part::plain: p.plain = static_cast<int>(i); break;
    }
  }
  return index;
}

// Reused by a thread from task to task.
struct Scratch {
  std::vector<std::byte> raw, scales, biases, out;
  std::vector<float> values;
  std::vector<std::uint32_t> words;
};

class Runner {
 public:
  Runner(const Source& source, const plan::Plan& plan, const plan::Layout& layout, const kernels::Device& device, const KnownInputs& known,
         format::BundleWriter& writer)
      : source_(source),
        plan_(plan),
        layout_(layout),
        device_(device),
        known_(known),
        writer_(writer),
        parts_(index_parts(layout, source.model.tensors.size())) {}

  // Errors (squared error, squared norm) of a quantized task; zeros for a cast one.
  [[nodiscard]] Result<kernels::EncodeError> run(const EncodeTask& task, Scratch& scratch) const {
    const plan::Choice choice = plan_.tensors[static_cast<std::size_t>(task.tensor)].choice;
    return choice.bits ? encode(task, choice, scratch) : cast(task, scratch);
  }

 private:
  const arch::OutTensor& tensor(const EncodeTask& t) const { return source_.model.tensors[static_cast<std::size_t>(t.tensor)]; }

  Status write(int part, std::int64_t byte_offset, std::span<const std::byte> data) const {
    const plan::StoredPart& p = layout_.parts[static_cast<std::size_t>(part)];
    return writer_.write_at(p.shard, p.offset_bytes + static_cast<std::uint64_t>(byte_offset), data);
  }

  Status check_float16_range(const SourceRows& rows, std::int64_t begin, std::span<const float> values) const {
    float largest = 0;
    for (const float v : values) largest = std::max(largest, std::fabs(v));
    if (largest <= kMaxFloat16) return {};
    const auto at = std::find_if(values.begin(), values.end(), [](float v) { return std::fabs(v) > kMaxFloat16; });
    return Status(StatusCode::invalid_argument, fmt::format("tensor {} is {}, beyond float16 (65504); use --scale-dtype bf16",
                                                            rows.describe_element(begin + (at - values.begin())), *at));
  }

  Result<kernels::EncodeError> encode(const EncodeTask& task, plan::Choice choice, Scratch& s) const {
    const arch::OutTensor& t = tensor(task);
    const std::int64_t in = columns(t.shape), groups = in / choice.group_size, words = codec::words_per_row(in, choice.bits);
    const SourceRows rows(source_.checkpoint, t);
    s.values.resize(static_cast<std::size_t>(task.n_rows * in));
    JANG_TRY(rows.read_floats(task.row_begin * in, s.values, s.raw));
    if (plan_.dtype == DType::f16) JANG_TRY(check_float16_range(rows, task.row_begin * in, s.values));

    const std::int64_t param_bytes = groups * size_bytes(plan_.dtype);
    s.words.resize(static_cast<std::size_t>(task.n_rows * words));
    s.scales.resize(static_cast<std::size_t>(task.n_rows * param_bytes));
    s.biases.resize(s.scales.size());
    kernels::EncodeArgs a;
    a.weights = s.values.data();
    a.n_rows = task.n_rows;
    a.in = in;
    a.bits = choice.bits;
    a.group_size = choice.group_size;
    a.param_dtype = plan_.dtype;
    a.words = s.words.data();
    a.scales = s.scales.data();
    a.biases = s.biases.data();
    const kernels::EncodeError error = encode_rows(device_, plan_.method, a, {task.tensor, t.shape, task.row_begin}, known_);

    const PartIndex& part = parts_[static_cast<std::size_t>(task.tensor)];
    JANG_TRY(write(part.weight, task.row_begin * words * 4, std::as_bytes(std::span(s.words))));
    JANG_TRY(write(part.scales, task.row_begin * param_bytes, s.scales));
    JANG_TRY(write(part.biases, task.row_begin * param_bytes, s.biases));
    return error;
  }

  // Unquantized tensors: bytes as they are when the type stays, else value + OutTensor::add rounded to the stored type.
  Result<kernels::EncodeError> cast(const EncodeTask& task, Scratch& s) const {
    const arch::OutTensor& t = tensor(task);
    const int part = parts_[static_cast<std::size_t>(task.tensor)].plain;
    const DType stored = layout_.parts[static_cast<std::size_t>(part)].info.dtype;
    const std::int64_t n_columns = columns(t.shape), begin = task.row_begin * n_columns, n = task.n_rows * n_columns;
    const SourceRows rows(source_.checkpoint, t);
    if (!info(t.source_dtype).is_float) {
      s.out.resize(static_cast<std::size_t>(n * size_bytes(t.source_dtype)));
      JANG_TRY(rows.read_bytes(begin, s.out));
    } else {
      s.values.resize(static_cast<std::size_t>(n));
      JANG_TRY(rows.read_floats(begin, s.values, s.raw));
      if (stored == t.source_dtype && t.add == 0.0f) {
        s.out.swap(s.raw);
      } else {
        for (float& v : s.values) v += t.add;
        if (stored == DType::f16) JANG_TRY(check_float16_range(rows, begin, s.values));
        s.out.resize(static_cast<std::size_t>(n * size_bytes(stored)));
        for (std::int64_t i = 0; i < n; ++i) kernels::store_param(stored, s.values[static_cast<std::size_t>(i)], s.out.data(), i);
      }
    }
    JANG_TRY(write(part, begin * size_bytes(stored), s.out));
    return kernels::EncodeError{};
  }

  const Source& source_;
  const plan::Plan& plan_;
  const plan::Layout& layout_;
  const kernels::Device& device_;
  KnownInputs known_;
  format::BundleWriter& writer_;
  std::vector<PartIndex> parts_;
};

// Which stage of Grams a task needs; -1: none.
int stage_of(const arch::Model& model, const EncodeTask& task) {
  const arch::OutTensor& t = model.tensors[static_cast<std::size_t>(task.tensor)];
  const bool is_head = t.role == arch::Role::lm_head || t.role == arch::Role::tied_embedding;
  return is_head ? model.n_layers : t.layer;
}

// Tasks by stage, ascending, each in the order of the list; all of them in one stage unless `apart`.
std::vector<std::vector<std::int64_t>> stages_of(const arch::Model& model, const std::vector<EncodeTask>& tasks, bool apart) {
  std::vector<std::vector<std::int64_t>> stages(apart ? static_cast<std::size_t>(model.n_layers) + 2 : 1);
  for (std::size_t i = 0; i < tasks.size(); ++i)
    stages[apart ? static_cast<std::size_t>(stage_of(model, tasks[i]) + 1) : 0].push_back(static_cast<std::int64_t>(i));
  return stages;
}

}  // namespace

int thread_count(const RunOptions& run) { return run.n_threads > 0 ? run.n_threads : available_threads(); }

std::vector<EncodeTask> encode_tasks(const arch::Model& model) {
  std::vector<EncodeTask> tasks;
  for (std::size_t i = 0; i < model.tensors.size(); ++i) {
    const Shape& shape = model.tensors[i].shape;
    const std::int64_t n_rows = rows(shape), per_row = std::max<std::int64_t>(1, columns(shape));
    const std::int64_t step = std::max(kTaskRowMultiple, kTaskWeights / per_row / kTaskRowMultiple * kTaskRowMultiple);
    for (std::int64_t row = 0; row < n_rows; row += step) tasks.push_back({static_cast<int>(i), row, std::min(step, n_rows - row)});
  }
  return tasks;
}

Result<TensorErrors> run_encode_tasks(const Source& source, const plan::Plan& plan, const plan::Layout& layout,
                                      const kernels::Device& device, const Importance& importance, format::BundleWriter& writer,
                                      const RunOptions& run) {
  const std::vector<EncodeTask> tasks = encode_tasks(source.model);
  const Runner runner(source, plan, layout, device, {&importance, run.grams}, writer);
  std::int64_t total_bytes = 0;
  for (const arch::OutTensor& t : source.model.tensors) total_bytes += elements(t.shape) * size_bytes(t.source_dtype);

  ThreadPool pool(thread_count(run));
  std::vector<Scratch> scratch(static_cast<std::size_t>(pool.size()));
  std::vector<kernels::EncodeError> errors(tasks.size());
  std::atomic<std::int64_t> done_bytes{0};
  std::atomic<bool> stop{false};
  std::mutex failure_mutex;
  Status failure;  // of the lowest failing task among those that ran
  std::int64_t failed_task = static_cast<std::int64_t>(tasks.size());
  const auto run_task = [&](std::int64_t i, int thread) {
    if (stop.load(std::memory_order_relaxed) || is_cancelled(run)) return;
    const EncodeTask& task = tasks[static_cast<std::size_t>(i)];
    Result<kernels::EncodeError> result = runner.run(task, scratch[static_cast<std::size_t>(thread)]);
    const arch::OutTensor& t = source.model.tensors[static_cast<std::size_t>(task.tensor)];
    if (!result.ok()) {
      std::lock_guard lock(failure_mutex);
      stop = true;
      if (i < failed_task) {
        failed_task = i;
        failure = result.status();
      }
      return;
    }
    errors[static_cast<std::size_t>(i)] = *result;
    const std::int64_t done = done_bytes += task.n_rows * columns(t.shape) * size_bytes(t.source_dtype);
    if (run.observer) run.observer->tick(done, total_bytes, t.module);
  };
  for (const std::vector<std::int64_t>& stage : stages_of(source.model, tasks, run.grams != nullptr)) {
    if (stage.empty() || stop || is_cancelled(run)) continue;
    if (run.grams != nullptr && stage_of(source.model, tasks[static_cast<std::size_t>(stage.front())]) >= 0)
      JANG_TRY(run.grams->prepare(stage_of(source.model, tasks[static_cast<std::size_t>(stage.front())])));
    pool.run(static_cast<std::int64_t>(stage.size()),
             [&](std::int64_t i, int thread) { run_task(stage[static_cast<std::size_t>(i)], thread); });
  }
  JANG_TRY(failure);
  if (is_cancelled(run)) return Status(StatusCode::cancelled, "conversion stopped");

  std::vector<kernels::EncodeError> sums(source.model.tensors.size());
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    sums[static_cast<std::size_t>(tasks[i].tensor)].squared_error += errors[i].squared_error;
    sums[static_cast<std::size_t>(tasks[i].tensor)].squared_norm += errors[i].squared_norm;
  }
  TensorErrors out(sums.size());
  for (std::size_t i = 0; i < sums.size(); ++i)
    if (plan.tensors[i].choice.bits) out[i] = sums[i].squared_norm > 0 ? sums[i].squared_error / sums[i].squared_norm : 0.0;
  return out;
}

}  // namespace jang::quantize
