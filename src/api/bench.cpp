// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "jang/bench.h"

#include <algorithm>

#include <fmt/format.h>

#include "api/access.h"
#include "base/thread_pool.h"
#include "codec/affine.h"
#include "engine/model_bench.h"
#include "engine/wider_cache.h"
#include "kernels/instruction_set.h"
#include "kernels/kernel_bench.h"

namespace jang {
namespace {

constexpr std::int64_t kMaxDimension = std::int64_t{1} << 20;
constexpr std::int64_t kMaxWeights = std::int64_t{1} << 30;
constexpr int kGroupSize = 64;

Status check_sizes(const KernelBenchOptions& options) {
  const auto refuse = [](std::string message) { return Status(StatusCode::invalid_argument, std::move(message)); };
  for (const std::int64_t n : {options.n_rows, options.n_columns})
    if (n < 1 || n > kMaxDimension)
      return refuse(fmt::format("a matrix of {} x {} weights is out of range", options.n_rows, options.n_columns));
  if (options.n_columns % kGroupSize != 0) return refuse(fmt::format("columns must be a multiple of {}", kGroupSize));
  if (options.n_rows * options.n_columns > kMaxWeights) return refuse("more than 2^30 weights");
  return {};
}

kernels::KernelBenchOptions internal_options(const KernelBenchOptions& options) {
  kernels::KernelBenchOptions o;
  o.n_rows = options.n_rows;
  o.n_cols = options.n_columns;
  o.threads = options.threads > 0 ? options.threads : available_threads();
  for (const codec::WidthRow& width : codec::kWidths) o.formats.push_back({DType::u32, width.bits, kGroupSize, DType::bf16});
  // What the engine takes: the fastest kernel of this machine.
  for (const kernels::MatrixFormat& format : o.formats) {
    const kernels::LinearKernel* kernel = kernels::find_instruction_set()->find_linear(format, kernels::Precision::fast);
    if (kernel != nullptr && std::find(o.kernels.begin(), o.kernels.end(), kernel) == o.kernels.end()) o.kernels.push_back(kernel);
  }
  o.inputs = options.quick ? std::vector<std::int64_t>{1, 64} : std::vector<std::int64_t>{1, 8, 512};
  if (options.quick) o.samples = 31;
  o.outliers = options.outliers;
  o.cold_bytes = std::max(o.cold_bytes, 2 * o.n_rows * o.n_cols * 9 / 8);  // two matrices of 8 bits at least
  return o;
}

}  // namespace

Result<ModelBench> bench_model(const Model& model, const BenchOptions& options) {
  const auto tell = [&](std::string_view note) {
    if (options.observer != nullptr) options.observer->info(note);
  };
  engine::ModelBenchOptions o;
  o.n_prompt = options.n_prompt;
  o.n_generate = options.n_generate;
  o.repetitions = options.repetitions;
  return engine::with_wider_cache(tell, [&](std::optional<kernels::KvType> kv_type) {
    o.kv_type = kv_type;
    return engine::bench_model(Access::engine(model), o, options.cancel);
  });
}

Result<KernelBench> bench_kernels(const KernelBenchOptions& options) {
  JANG_TRY(check_sizes(options));
  const kernels::KernelBenchOptions o = internal_options(options);
  const kernels::KernelBench measured = kernels::bench_kernels(o);
  KernelBench bench;
  bench.read_gbps = measured.read_gbps;
  bench.threads = o.threads;
  bench.cold_bytes = static_cast<std::uint64_t>(o.cold_bytes);
  for (const kernels::KernelBenchRow& row : measured.rows)
    bench.rows.push_back(
        {row.op, row.format.bits, row.format.group_size, row.n_inputs, row.threads, row.gbps, row.ratio, row.gflops, row.kernel});
  return bench;
}

}  // namespace jang
