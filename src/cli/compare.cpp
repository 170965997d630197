// SPDX-License-Identifier: Apache-2.0
// `jang compare`: recipes on one model, one table, one page.
#include "experiment/compare.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "base/machine.h"
#include "cli/build_info.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/measuring.h"
#include "cli/report.h"
#include "cli/units.h"
#include "experiment/line_log.h"
#include "experiment/svg.h"

namespace jang::cli {
namespace {

// Share of the memory that weight files may take while models run side by side.
constexpr double kOpenShare = 0.6;

std::string default_work(const std::string& directory) { return format::model_name(directory) + "-compare"; }

Result<experiment::CompareOptions> compare_options(const Arguments& arguments, const Surroundings& surroundings, Observer& observer) {
  if (!arguments.has("--file")) return Status(StatusCode::invalid_argument, "`jang compare` needs --file, the text to score");
  experiment::CompareOptions options;
  JANG_ASSIGN(options.recipes, experiment::parse_recipes(arguments.value("--recipes")));
  JANG_ASSIGN(options.protocol, protocol_of(arguments));
  JANG_ASSIGN(options.max_tokens, token_limit(arguments));
  JANG_ASSIGN(const MmluOptions mmlu, mmlu_options(arguments));
  options.shots = mmlu.shots;
  options.subset = mmlu.subset;
  JANG_ASSIGN(options.load, measuring_load_options(arguments));
  JANG_ASSIGN(options.source, model_directory(arguments.value("SRC"), surroundings));
  options.text = arguments.value("--file");
  options.mmlu = arguments.value("--mmlu");
  options.work = arguments.has("--output") ? arguments.value("--output") : default_work(arguments.value("SRC"));
  options.speed = !arguments.has("--no-speed");
  options.open_bytes = static_cast<std::uint64_t>(static_cast<double>(physical_memory_bytes()) * kOpenShare);
  const BuildInfo build = build_info();
  options.tool = fmt::format("{} ({})", build.version, build.commit);
  options.run.n_threads = options.load.n_threads;
  options.run.backend = options.load.backend;
  options.run.observer = &observer;
  options.run.cancel = &cancel_flag();
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

std::string table_text(const experiment::CompareReport& report) {
  const bool with_task =
      std::any_of(report.rows.begin(), report.rows.end(), [](const experiment::CompareRow& r) { return r.task.has_value(); });
  std::vector<std::vector<std::string>> rows = {{"recipe", "bits", "files", "KLD", "perplexity", "same top"}};
  if (with_task) rows[0].insert(rows[0].end(), {"MMLU", "95 %"});
  rows[0].insert(rows[0].end(), {"decode t/s", "prefill t/s", "memory", "convert"});
  for (const experiment::CompareRow& r : report.rows) {
    std::vector<std::string> cells = {printable(r.name), fmt::format("{:.3f}", r.stored_bits), format_bytes(r.file_bytes)};
    cells.push_back(r.divergence ? fmt::format("{:.4f} ± {:.4f}", r.divergence->kld.mean, r.divergence->kld.standard_error) : "0");
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
    rows.push_back(std::move(cells));
  }
  return aligned(rows);
}

Result<Measured> compare_recipes(const Arguments& arguments, const Surroundings& surroundings, Observer& observer) {
  JANG_ASSIGN(const experiment::CompareOptions options, compare_options(arguments, surroundings, observer));
  JANG_ASSIGN(const experiment::CompareReport report, experiment::compare(options));
  json::Value v = json::Value::object();
  v["schema_version"] = kSchemaVersion;
  v["tool"] = options.tool;
  v.update(to_json(report));
  const std::string page = options.work + "/report.html";
  JANG_TRY(experiment::replace_text(page, experiment::html_report(report, v)));
  JANG_TRY(experiment::replace_text(options.work + "/frontier.svg", experiment::frontier_picture(report)));
  v["output"] = options.work;
  v["report"] = page;
  JANG_TRY(experiment::replace_text(options.work + "/compare.json", json::dump(v, 2) + "\n"));
  if (arguments.has("--json")) return Measured{json::dump(v, 2) + "\n", page};
  std::string text = fmt::format("{}\n", printable(report.model));
  for (const std::string& fact : report.facts) text += fmt::format("  {}\n", printable(fact));
  text += "\n" + table_text(report) + fmt::format("\npage: {}\n", printable(page));
  return Measured{std::move(text), page};
}

}  // namespace

int run_compare(const Arguments& arguments, const Surroundings& surroundings) {
  return run_measuring_command(arguments, surroundings, arguments.value("SRC"), compare_recipes);
}

}  // namespace jang::cli
