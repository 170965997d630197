// SPDX-License-Identifier: Apache-2.0
// `jang bench`, and of its two subjects the kernels: the linear kernels of this machine on weights no cache holds, beside a plain read of
// the same memory.
#include <algorithm>

#include <fmt/format.h>

#include "base/thread_pool.h"
#include "cli/bench.h"
#include "cli/commands.h"
#include "cli/failure.h"
#include "cli/report.h"
#include "cli/units.h"
#include "kernels/instruction_set.h"
#include "kernels/kernel_bench.h"

namespace jang::cli {
namespace {

constexpr std::int64_t kMaxDimension = std::int64_t{1} << 20;
constexpr std::int64_t kMaxWeights = std::int64_t{1} << 30;
constexpr int kMaxThreads = 1024;
constexpr int kGroupSize = 64;

// "4096x14336": rows, columns.
Status read_shape(const std::string& text, kernels::KernelBenchOptions& options) {
  const std::size_t x = text.find('x');
  const std::string columns = x == std::string::npos ? std::string() : text.substr(x + 1);
  JANG_ASSIGN(options.n_rows, parse_integer(text.substr(0, x), "the rows of --rows ROWSxCOLUMNS", 1, kMaxDimension));
  JANG_ASSIGN(options.n_cols, parse_integer(columns, "the columns of --rows ROWSxCOLUMNS", 1, kMaxDimension));
  if (options.n_cols % kGroupSize != 0)
    return {StatusCode::invalid_argument, fmt::format("--rows {}: columns must be a multiple of {}", printable(text), kGroupSize)};
  if (options.n_rows * options.n_cols > kMaxWeights)
    return {StatusCode::invalid_argument, fmt::format("--rows {}: more than 2^30 weights", printable(text))};
  return {};
}

Result<kernels::KernelBenchOptions> read_options(const Arguments& arguments) {
  kernels::KernelBenchOptions options;
  options.threads = available_threads();
  if (arguments.has("--threads")) {
    JANG_ASSIGN(const std::int64_t threads, parse_integer(arguments.value("--threads"), "--threads", 1, kMaxThreads));
    options.threads = static_cast<int>(threads);
  }
  JANG_TRY(read_shape(arguments.value("--rows"), options));
  for (const codec::WidthRow& width : codec::kWidths) options.formats.push_back({DType::u32, width.bits, kGroupSize, DType::bf16});
  // What the engine takes: the fastest kernel of this machine.
  for (const kernels::MatrixFormat& format : options.formats) {
    const kernels::LinearKernel* kernel = kernels::find_instruction_set()->find_linear(format, kernels::Precision::fast);
    if (kernel != nullptr && std::find(options.kernels.begin(), options.kernels.end(), kernel) == options.kernels.end())
      options.kernels.push_back(kernel);
  }
  options.inputs = {1, 8, 512};
  options.outliers = arguments.has("--outliers");
  if (arguments.has("--quick")) {
    options.inputs = {1, 64};
    options.samples = 31;
  }
  options.cold_bytes = std::max(options.cold_bytes, 2 * options.n_rows * options.n_cols * 9 / 8);  // two matrices of 8 bits at least
  return options;
}

json::Value document(const kernels::KernelBench& bench, const kernels::KernelBenchOptions& options) {
  json::Value v = json::Value::object();
  v["schema_version"] = kSchemaVersion;
  v["read_gbps"] = bench.read_gbps;
  v["threads"] = options.threads;
  v["outliers"] = options.outliers;
  json::Value rows = json::Value::array();
  for (const kernels::KernelBenchRow& row : bench.rows) {
    json::Value r = json::Value::object();
    r["op"] = row.op;
    r["bits"] = row.format.bits;
    r["group_size"] = row.format.group_size;
    r["rows"] = row.n_inputs;
    r["threads"] = row.threads;
    r["gbps"] = row.gbps;
    r["ratio"] = row.ratio;
    r["gflops"] = row.gflops;
    rows.push_back(std::move(r));
  }
  v["rows"] = std::move(rows);
  return v;
}

std::string table(const kernels::KernelBench& bench, const kernels::KernelBenchOptions& options, bool color) {
  std::string out =
      fmt::format("{} x {} weights, {} threads, {} of weights in turn; plain read {:.1f} GB/s\n\n", options.n_rows, options.n_cols,
                  options.threads, format_bytes(static_cast<std::uint64_t>(options.cold_bytes)), bench.read_gbps);
  const std::string head = fmt::format("{:<7} {:>4} {:>5} {:>6} {:>8} {:>8} {:>10}  {}", "op", "bits", "group", "inputs", "GB/s", "of read",
                                       "GFLOP/s", "kernel");
  out += styled(head, Style::bold, color) + "\n";
  for (const kernels::KernelBenchRow& row : bench.rows) {
    out += fmt::format("{:<7} {:>4} {:>5} {:>6} {:>8.2f} {:>7.0f}% {:>10.1f}  {}\n", row.op, row.format.bits, row.format.group_size,
                       row.n_inputs, row.gbps, 100 * row.ratio, row.gflops, row.kernel);
  }
  return out + "\nmedians; of read: speed beside that of a plain read just before and after\n";
}

int bench_kernels(const Arguments& arguments, const Surroundings& surroundings) {
  const Result<kernels::KernelBenchOptions> options = read_options(arguments);
  if (!options.ok()) return fail("cannot measure", "bench", options.status(), surroundings.stderr_color);
  const kernels::KernelBench bench = kernels::bench_kernels(options.value());
  return finish(arguments.has("--json") ? json::dump(document(bench, options.value()), 2) + "\n"
                                        : table(bench, options.value(), surroundings.stdout_color),
                surroundings);
}

}  // namespace

int run_bench(const Arguments& arguments, const Surroundings& surroundings) {
  return arguments.value("WHAT") == "kernels" ? bench_kernels(arguments, surroundings) : bench_model(arguments, surroundings);
}

}  // namespace jang::cli
