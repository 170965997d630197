// SPDX-License-Identifier: Apache-2.0
// `jang bench MODEL`: prompt and generation speed as llama-bench tabulates them, load time, and the part of the memory's read speed.
#include "cli/bench_model.h"

#include <chrono>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/failure.h"
#include "cli/generation.h"
#include "cli/interrupt.h"
#include "cli/units.h"
#include "jang/bench.h"
#include "jang/machine.h"

namespace jang::cli {
namespace {

struct Benched {
  ModelBench bench;
  std::string model, backend;
  std::uint64_t file_bytes = 0, params = 0;
  double load_seconds = 0, stored_bits = 0;
  int threads = 0;
};

// "CPU avx2", or the name of the card.
std::string backend_label(const std::string& asked) {
  if (asked == "cuda") {
    const CudaFacts cuda = cuda_facts();
    return cuda.cards.empty() ? asked : "CUDA " + printable(cuda.cards.front().name);
  }
  return "CPU " + (asked.empty() ? machine_facts().chosen_backend : asked);
}

Result<Benched> measure(const Arguments& arguments, const Surroundings& surroundings) {
  BenchOptions options;
  JANG_ASSIGN(options.n_prompt, parse_integer(arguments.value("--n-prompt"), "--n-prompt", 0, 1 << 20));
  JANG_ASSIGN(options.n_generate, parse_integer(arguments.value("--n-gen"), "--n-gen", 0, 1 << 20));
  JANG_ASSIGN(const std::int64_t repetitions, parse_integer(arguments.value("--repetitions"), "--repetitions", 1, 1000));
  options.repetitions = static_cast<int>(repetitions);
  NotePrinter printer(surroundings.stderr_color);
  options.observer = &printer;
  options.cancel = &cancel_flag();
  JANG_ASSIGN(const ModelOptions how, model_options(arguments));
  const auto start = std::chrono::steady_clock::now();
  JANG_ASSIGN(const Model model, open_named_model(arguments.value("WHAT"), surroundings, how));
  Benched b;
  b.load_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  JANG_ASSIGN(b.bench, bench_model(model, options));
  b.model = fmt::format("{} {:.2f} bpw", model.model_type(), model.stored_bits());
  b.backend = backend_label(how.backend);
  b.file_bytes = model.file_bytes();
  b.stored_bits = model.stored_bits();
  b.threads = model.threads();
  b.params = model.parameters();
  return b;
}

std::string speed_cell(const ModelBenchRow& row) { return fmt::format("{:.2f} ± {:.2f}", row.mean, row.deviation); }

std::string markdown(const Benched& b) {
  std::string out =
      "| model | size | params | backend | threads | test | t/s | GB/s | of read |\n| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: "
      "| ---: |\n";
  for (const ModelBenchRow& row : b.bench.rows)
    out +=
        fmt::format("| {} | {:.2f} MiB | {} | {} | {} | {} | {} | {} | {} |\n", printable(b.model),
                    static_cast<double>(b.file_bytes) / 1048576.0, format_count(b.params), b.backend, b.threads, row.test, speed_cell(row),
                    row.gbps > 0 ? fmt::format("{:.2f}", row.gbps) : "-", row.gbps > 0 ? fmt::format("{:.0f} %", 100 * row.ratio) : "-");
  return out + fmt::format("\nload {:.3f} s; a token reads {} of weights; plain read {:.1f} GB/s in this run\n", b.load_seconds,
                           format_bytes(static_cast<std::uint64_t>(b.bench.bytes_per_token)), b.bench.read_gbps);
}

std::string csv(const Benched& b) {
  std::string out = "model,file_bytes,params,backend,threads,test,avg_ts,stddev_ts,gbps,ratio,load_s,read_gbps\n";
  for (const ModelBenchRow& row : b.bench.rows)
    out += fmt::format("\"{}\",{},{},\"{}\",{},{},{:.4f},{:.4f},{:.4f},{:.4f},{:.4f},{:.4f}\n", printable(b.model), b.file_bytes, b.params,
                       b.backend, b.threads, row.test, row.mean, row.deviation, row.gbps, row.ratio, b.load_seconds, b.bench.read_gbps);
  return out;
}

std::string json_text(const Benched& b) {
  Json rows = Json::array();
  for (const ModelBenchRow& row : b.bench.rows)
    rows.push_back({{"test", row.test},
                    {"avg_ts", row.mean},
                    {"stddev_ts", row.deviation},
                    {"samples_ts", row.tokens_per_second},
                    {"gbps", row.gbps},
                    {"ratio", row.ratio}});
  const Json v = {{"schema_version", kSchemaVersion},
                  {"model", b.model},
                  {"file_bytes", b.file_bytes},
                  {"stored_bits", b.stored_bits},
                  {"params", b.params},
                  {"backend", b.backend},
                  {"threads", b.threads},
                  {"load_seconds", b.load_seconds},
                  {"bytes_per_token", b.bench.bytes_per_token},
                  {"read_gbps", b.bench.read_gbps},
                  {"rows", std::move(rows)}};
  return dump(v, 2) + "\n";
}

}  // namespace

int bench_named_model(const Arguments& arguments, const Surroundings& surroundings) {
  catch_interrupts();
  const Result<Benched> b = measure(arguments, surroundings);
  if (!b.ok())
    return fail(fmt::format("cannot measure {}", printable(arguments.value("WHAT"))), "bench", b.status(), surroundings.stderr_color);
  const std::string how = arguments.has("--json") ? "json" : arguments.value("--format");
  return finish(how == "json" ? json_text(*b) : how == "csv" ? csv(*b) : markdown(*b), surroundings);
}

}  // namespace jang::cli
