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
#include "quantize/carry.h"
#include "quantize/encode_rows.h"
#include "quantize/source_rows.h"

namespace jang::quantize {
namespace {

constexpr float kMaxFloat16 = 65504.0f;

// Reused by a thread from task to task.
struct Scratch {
  std::vector<std::byte> raw, scales, third, out;  // third: biases or zeros
  std::vector<float> values;
  std::vector<std::uint32_t> words;
};

class Runner {
 public:
  Runner(const Source& source, const plan::Plan& plan, const plan::Layout& layout, const kernels::Device& device, const KnownInputs& known,
         const ChannelScales& scales, format::BundleWriter& writer)
      : source_(source), plan_(plan), device_(device), known_(known), scales_(scales), rows_(layout, writer, source.model.tensors.size()) {}

  [[nodiscard]] Status write_contents() const { return rows_.write_contents(); }
  // Errors (squared error, squared norm) of a quantized task; zeros for a cast one.
  [[nodiscard]] Result<kernels::EncodeError> run(const EncodeTask& task, Scratch& scratch) const {
    const plan::Choice choice = plan_.tensors[static_cast<std::size_t>(task.tensor)].choice;
    return choice.bits ? encode(task, choice, scratch) : cast(task, scratch);
  }

 private:
  const arch::OutTensor& tensor(const EncodeTask& t) const { return source_.model.tensors[static_cast<std::size_t>(t.tensor)]; }

  Status check_float16_range(const SourceRows& rows, std::int64_t begin, std::span<const float> values) const {
    float largest = 0;
    for (const float v : values) largest = std::max(largest, std::fabs(v));
    if (largest <= kMaxFloat16) return {};
    const auto at = std::find_if(values.begin(), values.end(), [](float v) { return std::fabs(v) > kMaxFloat16; });
    const std::string remedy = plan_.target->rules().params ? fmt::format("and the target {} stores no wider type", plan_.target->name())
                                                            : "use --scale-dtype bf16";
    return Status(StatusCode::invalid_argument, fmt::format("tensor {} is {}, beyond float16 (65504); {}",
                                                            rows.describe_element(begin + (at - values.begin())), *at, remedy));
  }

  Result<kernels::EncodeError> encode(const EncodeTask& task, plan::Choice choice, Scratch& s) const {
    const arch::OutTensor& t = tensor(task);
    const codec::WeightFormat& format = *plan::format_of(*plan_.target, t, choice);
    const std::int64_t in = columns(t.shape);
    const SourceRows rows(source_.checkpoint, t, scales_.of(task.tensor));
    s.values.resize(static_cast<std::size_t>(task.n_rows * in));
    JANG_TRY(rows.read_floats(task.row_begin * in, s.values, s.raw));
    if (plan_.dtype == DType::f16) JANG_TRY(check_float16_range(rows, task.row_begin * in, s.values));

    const auto plane_bytes = [&](std::size_t p) {
      return static_cast<std::size_t>(task.n_rows * format.planes()[p].row_bytes(in, plan_.dtype));
    };
    s.words.resize(plane_bytes(0) / 4);
    s.scales.resize(plane_bytes(1));
    s.third.resize(format.planes().size() > 2 ? plane_bytes(2) : 0);
    kernels::EncodeArgs a;
    a.weights = s.values.data();
    a.n_rows = task.n_rows;
    a.in = in;
    a.kind = format.kind;
    a.bits = choice.bits;
    a.group_size = choice.group_size;
    a.param_dtype = plan_.dtype;
    a.words = s.words.data();
    a.scales = s.scales.data();
    a.biases = format.kind == codec::Kind::affine ? s.third.data() : nullptr;
    a.zeros = format.kind == codec::Kind::integer_zero ? reinterpret_cast<std::uint8_t*>(s.third.data()) : nullptr;
    a.float_zeros = format.kind == codec::Kind::float_zero ? s.third.data() : nullptr;
    kernels::EncodeError error;
    const auto quantize = [&] { error = encode_rows(device_, plan_.method, a, {task.tensor, t.shape, task.row_begin}, known_); };
    const PlaneSpans planes = {std::as_writable_bytes(std::span(s.words)), s.scales, s.third};
    // Codes of rescaled rows are of other values.
    if (scales_.of(task.tensor) == nullptr && can_carry(source_.checkpoint, t, format)) {
      JANG_ASSIGN(error, carry_rows(source_.checkpoint, t, format, plan_.dtype, task.row_begin, s.values, planes, quantize));
    } else {
      quantize();
    }
    for (std::size_t p = 0; p < format.planes().size(); ++p)
      JANG_TRY(rows_.write(task.tensor, static_cast<int>(p), task.row_begin, task.n_rows, planes[p]));
    return error;
  }

  // Unquantized tensors: bytes as they are when the type stays, else value + OutTensor::add rounded to the stored type. A rescaled norm
  // comes ready.
  Result<kernels::EncodeError> cast(const EncodeTask& task, Scratch& s) const {
    const arch::OutTensor& t = tensor(task);
    const DType stored = rows_.plain_dtype(task.tensor);
    const std::int64_t n_columns = columns(t.shape), begin = task.row_begin * n_columns, n = task.n_rows * n_columns;
    const TensorScales* scales = scales_.of(task.tensor);
    const bool is_ready = scales != nullptr && !scales->values.empty();
    const SourceRows rows(source_.checkpoint, t, is_ready ? nullptr : scales);
    if (!info(t.source_dtype).is_float) {
      s.out.resize(static_cast<std::size_t>(n * size_bytes(t.source_dtype)));
      JANG_TRY(rows.read_bytes(begin, s.out));
    } else {
      s.values.resize(static_cast<std::size_t>(n));
      JANG_TRY(rows.read_floats(begin, s.values, s.raw));
      if (is_ready) std::copy_n(scales->values.begin() + begin, n, s.values.begin());
      if (stored == t.source_dtype && t.add == 0.0f && scales == nullptr) {
        s.out.swap(s.raw);
      } else {
        if (!is_ready)
          for (float& v : s.values) v += t.add;
        if (stored == DType::f16) JANG_TRY(check_float16_range(rows, begin, s.values));
        s.out.resize(static_cast<std::size_t>(n * size_bytes(stored)));
        for (std::int64_t i = 0; i < n; ++i) kernels::store_param(stored, s.values[static_cast<std::size_t>(i)], s.out.data(), i);
      }
    }
    JANG_TRY(rows_.write(task.tensor, -1, task.row_begin, task.n_rows, s.out));
    return kernels::EncodeError{};
  }

  const Source& source_;
  const plan::Plan& plan_;
  const kernels::Device& device_;
  KnownInputs known_;
  const ChannelScales& scales_;
  targets::RowWriter rows_;
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
                                      const kernels::Device& device, const KnownInputs& known, const ChannelScales& scales,
                                      format::BundleWriter& writer, const RunOptions& run) {
  const std::vector<EncodeTask> tasks = encode_tasks(source.model);
  const Runner runner(source, plan, layout, device, known, scales, writer);
  std::int64_t total_bytes = 0;
  for (const arch::OutTensor& t : source.model.tensors) total_bytes += elements(t.shape) * size_bytes(t.source_dtype);

  ThreadPool pool(thread_count(run));
  std::vector<Scratch> scratch(static_cast<std::size_t>(pool.size()));
  JANG_TRY(runner.write_contents());
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
  for (const std::vector<std::int64_t>& stage : stages_of(source.model, tasks, known.grams != nullptr)) {
    if (stage.empty() || stop || is_cancelled(run)) continue;
    if (known.grams != nullptr && stage_of(source.model, tasks[static_cast<std::size_t>(stage.front())]) >= 0)
      JANG_TRY(known.grams->prepare(stage_of(source.model, tasks[static_cast<std::size_t>(stage.front())])));
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
