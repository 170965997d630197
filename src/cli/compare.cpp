// SPDX-License-Identifier: Apache-2.0
// `jang compare`: recipes on one model, one table, one page.
#include "cli/compare.h"

#include "jang/compare.h"

#include <algorithm>

#include <fmt/format.h>

#include "cli/build_info.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/measuring.h"
#include "cli/planning.h"
#include "cli/units.h"

namespace jang::cli {
namespace {

Result<CompareOptions> compare_options(const Arguments& arguments, const Surroundings& surroundings) {
  if (!arguments.has("--file")) return Status(StatusCode::invalid_argument, "`jang compare` needs --file, the text to score");
  CompareOptions options;
  options.recipes = arguments.value("--recipes");
  JANG_ASSIGN(options.text, text_options(arguments));
  JANG_ASSIGN(options.mmlu, mmlu_options(arguments));
  options.mmlu.directory = arguments.value("--mmlu");
  options.arithmetic = arguments.has("--fast") ? Arithmetic::fast : Arithmetic::exact;
  options.work = arguments.value("--output");
  options.speed = !arguments.has("--no-speed");
  options.gguf_tools = arguments.has("--gguf-tools") ? arguments.value("--gguf-tools") : surroundings.program_folders;
  options.gguf_text = arguments.value("--gguf-text");
  const BuildInfo build = build_info();
  options.tool = fmt::format("{} ({})", build.version, build.commit);
  return options;
}

std::string number_or_dash(double x, int decimals) { return x > 0 ? fmt::format("{:.{}f}", x, decimals) : "-"; }

// A right-aligned table; the first column is left-aligned.
std::string aligned(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  const auto width = [](const std::string& cell) {
    std::size_t n = 0;
    for (const char c : cell) n += (static_cast<unsigned char>(c) & 0xc0) != 0x80 ? 1 : 0;
    return n;
  };
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()), 0);
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string out;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string pad(widths[i] - width(row[i]), ' ');
      out += i == 0 ? row[i] + pad : "  " + pad + row[i];
    }
    out.erase(out.find_last_not_of(' ') + 1);
    out += '\n';
  }
  return out;
}

std::size_t percentile_index(std::string_view key) {
  const auto row = std::find_if(kKldPercentiles.begin(), kKldPercentiles.end(), [&](const PercentileRow& p) { return p.key == key; });
  return static_cast<std::size_t>(row - kKldPercentiles.begin());
}

// Gains by recipe and role; empty without any.
std::string gains_text(const CompareReport& report) {
  std::vector<std::vector<std::string>> rows;
  for (const CompareRow& r : report.rows) {
    if (r.gains.empty()) continue;
    std::vector<std::string> header = {"gain"}, cells = {printable(r.name)};
    for (const RoleGain& g : r.gains) {
      header.push_back(g.role);
      cells.push_back(fmt::format("{:.4f}", g.gain));
    }
    if (rows.empty()) rows.push_back(std::move(header));
    rows.push_back(std::move(cells));
  }
  return rows.empty() ? "" : "\n" + aligned(rows);
}

std::string table_text(const CompareReport& report) {
  const bool with_task = std::any_of(report.rows.begin(), report.rows.end(), [](const CompareRow& r) { return r.task.has_value(); });
  std::vector<std::vector<std::string>> rows = {{"recipe", "bits", "files", "KLD", "99 %", "99.9 %", "perplexity", "same top"}};
  if (with_task) rows[0].insert(rows[0].end(), {"MMLU", "95 %"});
  rows[0].insert(rows[0].end(), {"decode t/s", "prefill t/s", "memory", "convert"});
  const bool is_calibrated = std::ranges::any_of(report.rows, [](const CompareRow& r) { return !r.calibration_text.empty(); });
  if (is_calibrated) rows[0].push_back("calibration");
  for (const CompareRow& r : report.rows) {
    std::vector<std::string> cells = {printable(r.name), fmt::format("{:.3f}", r.stored_bits), format_bytes(r.file_bytes)};
    cells.push_back(r.divergence ? fmt::format("{:.4f} ± {:.4f}", r.divergence->kld.mean, r.divergence->kld.standard_error) : "0");
    for (const std::size_t tail : {percentile_index("99"), percentile_index("99.9")})
      cells.push_back(r.divergence ? short_number(r.divergence->percentiles[tail]) : "0");
    cells.push_back(r.perplexity ? fmt::format("{:.2f}", r.perplexity->perplexity.value) : "-");
    cells.push_back(!r.divergence ? "100.0 %"
                                  : fmt::format("{:.1f} %", 100.0 * static_cast<double>(r.divergence->n_same) /
                                                                static_cast<double>(std::max<std::int64_t>(1, r.divergence->n))));
    if (with_task && r.task)
      cells.insert(cells.end(), {fmt::format("{:.1f} %", r.task->raw.value() * 100),
                                 fmt::format("[{:.1f}, {:.1f}]", r.task->raw.interval.low * 100, r.task->raw.interval.high * 100)});
    cells.insert(cells.end(),
                 {number_or_dash(r.decode_tokens_per_second, 1), number_or_dash(r.prefill_tokens_per_second, 0),
                  r.memory_bytes > 0 ? format_bytes(r.memory_bytes) : "-", r.convert_seconds ? format_duration(*r.convert_seconds) : "-"});
    if (is_calibrated)
      cells.push_back(r.calibration_text.empty()
                          ? "-"
                          : printable(r.calibration_text) + (r.calibration_seconds ? ", " + format_duration(*r.calibration_seconds) : ""));
    rows.push_back(std::move(cells));
  }
  return aligned(rows);
}

Result<Outcome> compare_source(const Arguments& arguments, const Surroundings& surroundings, Progress& progress) {
  JANG_ASSIGN(const CompareOptions options, compare_options(arguments, surroundings));
  JANG_ASSIGN(RunOptions run, run_options(arguments, surroundings));
  run.observer = &progress;
  run.cancel = &cancel_flag();
  JANG_ASSIGN(const CompareResult done, compare_recipes(arguments.value("SRC"), options, run));
  if (arguments.has("--json")) return Outcome{done.document + "\n", done.page};
  std::string text = fmt::format("{}\n", printable(done.report.model));
  for (const std::string& fact : done.report.facts) text += fmt::format("  {}\n", printable(fact));
  text += "\n" + table_text(done.report) + gains_text(done.report) + fmt::format("\npage: {}\n", printable(done.page));
  return Outcome{std::move(text), done.page};
}

}  // namespace

int run_compare(const Arguments& arguments, const Surroundings& surroundings) {
  return run_with_progress(arguments, surroundings, fmt::format("cannot compare recipes on {}", arguments.value("SRC")), compare_source);
}

}  // namespace jang::cli
