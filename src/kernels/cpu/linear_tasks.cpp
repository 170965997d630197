// SPDX-License-Identifier: Apache-2.0
// Splitting linear maps over threads. Pieces are multiples of kRowStep rows, the unit kernels like to work in.
#include "kernels/cpu/linear_tasks.h"

#include <algorithm>

namespace jang::kernels {
namespace {

constexpr std::int64_t kRowStep = 16;
constexpr std::int64_t kBytesPerNs = 8;   // weights one thread reads, roughly, with one input
constexpr std::int64_t kMacsPerNs = 16;   // products of one thread with many inputs, roughly
constexpr std::int64_t kPieceNs = 20000;  // wanted length of a piece with few inputs
constexpr std::int64_t kManyInputs = 8;

// Rough time of a row on one thread.
std::int64_t row_ns_x1024(const RowTask& t) {
  const std::int64_t read = (t.matrix->row_bytes() + 2 * t.matrix->param_row_bytes()) * 1024 / kBytesPerNs;
  return std::max(read, t.n * t.matrix->n_cols * 1024 / kMacsPerNs);
}

void run_piece(const RowTask& t, std::int64_t begin, std::int64_t n_rows) {
  const MatrixView part = t.matrix->rows(begin, n_rows);
  t.weight->kernel->matmul(part, t.inputs, t.n, t.y + begin, t.y_stride);
  if (t.weight->bias.empty()) return;
  const float* bias = t.weight->bias.data() + (t.matrix - t.weight->matrices.data()) * t.matrix->n_rows;
  for (std::int64_t i = 0; i < t.n; ++i)
    for (std::int64_t r = begin; r < begin + n_rows; ++r) t.y[i * t.y_stride + r] += bias[r];
}

// Pieces all tasks make when cut every `step` rows.
std::int64_t count_pieces(std::span<const RowTask> tasks, std::int64_t step) {
  std::int64_t n = 0;
  for (const RowTask& t : tasks) n += ceil_div(t.matrix->n_rows, step);
  return n;
}

// Rows of a piece with many inputs: as many as kernels hold unpacked at once, fewer where threads would have nothing to do.
std::int64_t many_inputs_step(std::span<const RowTask> tasks, std::int64_t threads) {
  for (const std::int64_t step : {std::int64_t{192}, std::int64_t{64}})
    if (count_pieces(tasks, step) >= 4 * threads) return step;
  return kRowStep;
}

// Rows of a piece with few inputs: of about the wanted time.
std::int64_t few_inputs_step(const RowTask& t, std::int64_t total_ns, std::int64_t threads) {
  const std::int64_t wanted_ns = std::clamp(total_ns / (threads * 3), std::int64_t{3000}, kPieceNs);
  const std::int64_t rows = wanted_ns * 1024 / std::max<std::int64_t>(row_ns_x1024(t), 1);
  return std::max(kRowStep, rows / kRowStep * kRowStep);
}

}  // namespace

void run_rows(std::span<const RowTask> tasks, const Parallel& parallel) {
  std::int64_t total_ns = 0;
  for (const RowTask& t : tasks) total_ns += t.matrix->n_rows * row_ns_x1024(t) / 1024;
  if (parallel.threads() == 1 || total_ns < 6000) {
    for (const RowTask& t : tasks) run_piece(t, 0, t.matrix->n_rows);
    return;
  }
  struct Piece {
    const RowTask* task;
    std::int64_t begin, n_rows;
  };
  thread_local std::vector<Piece> pieces;  // of the calling thread: a decode step makes hundreds of these lists
  pieces.clear();
  const std::int64_t many = many_inputs_step(tasks, parallel.threads());
  for (const RowTask& t : tasks) {
    const std::int64_t step = t.n >= kManyInputs ? many : few_inputs_step(t, total_ns, parallel.threads());
    for (std::int64_t r = 0; r < t.matrix->n_rows; r += step) pieces.push_back({&t, r, std::min(step, t.matrix->n_rows - r)});
  }
  const std::vector<Piece>& list = pieces;
  parallel.each(static_cast<std::int64_t>(list.size()), [&list](std::int64_t i) {
    const Piece& p = list[static_cast<std::size_t>(i)];
    run_piece(*p.task, p.begin, p.n_rows);
  });
}

void prepare(const CpuWeight& weight, const float* x, std::int64_t stride, std::int64_t n, const Parallel& parallel, std::byte* out) {
  const std::int64_t bytes = weight.input_bytes(), columns = weight.columns();
  parallel.run(n, columns / 2, [&](std::int64_t i) { weight.kernel->prepare(weight.format(), x + i * stride, columns, out + i * bytes); });
}

}  // namespace jang::kernels
