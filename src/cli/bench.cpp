// SPDX-License-Identifier: Apache-2.0
// `jang bench`, and of its two subjects the kernels: the linear kernels of this machine on weights no cache holds, beside a plain read of
// the same memory.

#include "cli/bench.h"

#include <fmt/format.h>

#include "cli/bench_model.h"
#include "cli/commands.h"
#include "cli/failure.h"
#include "cli/json.h"
#include "cli/planning.h"
#include "cli/units.h"
#include "jang/bench.h"

namespace jang::cli {
namespace {

constexpr std::int64_t kMaxDimension = std::int64_t{1} << 20;
constexpr std::int64_t kMaxWeights = std::int64_t{1} << 30;
constexpr int kGroupSize = 64;

// "4096x14336": rows, columns.
Status read_shape(const std::string& text, KernelBenchOptions& options) {
  const std::size_t x = text.find('x');
  const std::string columns = x == std::string::npos ? std::string() : text.substr(x + 1);
  JANG_ASSIGN(options.n_rows, parse_integer(text.substr(0, x), "the rows of --rows ROWSxCOLUMNS", 1, kMaxDimension));
  JANG_ASSIGN(options.n_columns, parse_integer(columns, "the columns of --rows ROWSxCOLUMNS", 1, kMaxDimension));
  if (options.n_columns % kGroupSize != 0)
    return {StatusCode::invalid_argument, fmt::format("--rows {}: columns must be a multiple of {}", printable(text), kGroupSize)};
  if (options.n_rows * options.n_columns > kMaxWeights)
    return {StatusCode::invalid_argument, fmt::format("--rows {}: more than 2^30 weights", printable(text))};
  return {};
}

Result<KernelBenchOptions> read_options(const Arguments& arguments) {
  KernelBenchOptions options;
  if (arguments.has("--threads")) {
    JANG_ASSIGN(const std::int64_t threads, parse_integer(arguments.value("--threads"), "--threads", 1, kMaxThreads));
    options.threads = static_cast<int>(threads);
  }
  JANG_TRY(read_shape(arguments.value("--rows"), options));
  options.outliers = arguments.has("--outliers");
  options.quick = arguments.has("--quick");
  return options;
}

Json document(const KernelBench& bench, const KernelBenchOptions& options) {
  Json v = new_document();
  v["read_gbps"] = bench.read_gbps;
  v["threads"] = bench.threads;
  v["outliers"] = options.outliers;
  Json rows = Json::array();
  for (const KernelBenchRow& row : bench.rows) {
    Json r = Json::object();
    r["op"] = row.op;
    r["bits"] = row.bits;
    r["group_size"] = row.group_size;
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

std::string table(const KernelBench& bench, const KernelBenchOptions& options, bool color) {
  std::string out = fmt::format("{} x {} weights, {} threads, {} of weights in turn; plain read {:.1f} GB/s\n\n", options.n_rows,
                                options.n_columns, bench.threads, format_bytes(bench.cold_bytes), bench.read_gbps);
  const std::string head = fmt::format("{:<7} {:>4} {:>5} {:>6} {:>8} {:>8} {:>10}  {}", "op", "bits", "group", "inputs", "GB/s", "of read",
                                       "GFLOP/s", "kernel");
  out += styled(head, Style::bold, color) + "\n";
  for (const KernelBenchRow& row : bench.rows) {
    out += fmt::format("{:<7} {:>4} {:>5} {:>6} {:>8.2f} {:>7.0f}% {:>10.1f}  {}\n", row.op, row.bits, row.group_size, row.n_inputs,
                       row.gbps, 100 * row.ratio, row.gflops, row.kernel);
  }
  return out + "\nmedians; of read: speed beside that of a plain read just before and after\n";
}

int bench_linear_kernels(const Arguments& arguments, const Surroundings& surroundings) {
  const auto failed = [&](const Status& status) { return fail("cannot measure", "bench", status, surroundings.stderr_color); };
  const Result<KernelBenchOptions> options = read_options(arguments);
  if (!options.ok()) return failed(options.status());
  const Result<KernelBench> bench = bench_kernels(*options);
  if (!bench.ok()) return failed(bench.status());
  return finish(arguments.has("--json") ? dump(document(*bench, *options), 2) + "\n" : table(*bench, *options, surroundings.stdout_color),
                surroundings);
}

}  // namespace

int run_bench(const Arguments& arguments, const Surroundings& surroundings) {
  return arguments.value("WHAT") == "kernels" ? bench_linear_kernels(arguments, surroundings) : bench_named_model(arguments, surroundings);
}

}  // namespace jang::cli
