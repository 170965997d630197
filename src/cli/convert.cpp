// SPDX-License-Identifier: Apache-2.0
// `jang convert`: a checkpoint becomes a bundle.
#include <filesystem>

#include <fmt/format.h>

#include "arch/decoder_config.h"
#include "cli/calibration.h"
#include "cli/commands.h"
#include "cli/planning.h"
#include "cli/report.h"
#include "cli/units.h"
#include "engine/text_check.h"
#include "quantize/check_loads.h"

namespace jang::cli {
namespace {

// A path as a shell takes it back.
std::string shell_word(const std::string& path) {
  const bool plain = path.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./+:@%") == std::string::npos;
  if (plain && !path.empty() && path.front() != '-') return path;
  std::string out = "'";
  for (const char c : path) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// Asked before any work: hours of measuring must not end in "exists already".
Status check_output_free(const std::string& output, bool force) {
  std::error_code error;
  const bool exists = std::filesystem::exists(std::filesystem::symlink_status(output, error));
  if (!exists || force) return {};
  return {StatusCode::invalid_argument, fmt::format("{} exists already; choose another --output, or --force to replace it", output)};
}

std::string heading(const Report& report, const std::string& source, std::string_view arrow, const std::string& output) {
  return fmt::format("{} of {}, method {}{}{}\n", report.profile.value_or("?"), printable(source), report.method.value_or("?"), arrow,
                     printable(output));
}

std::string dry_run_text(const Report& report, const std::string& source, const std::string& output, bool color) {
  return heading(report, source, ": would write ", output) + sizes_text(report) + "\n" + histogram_text(report, color);
}

std::string result_text(const Report& report, const quantize::ConvertReport& done, const std::string& source, bool runs_here) {
  std::string out = heading(report, source, ": wrote ", done.output) + sizes_text(report);
  out += fmt::format("  time         {}\n", format_duration(done.seconds));
  out += fmt::format("  peak memory  {}\n", format_bytes(done.peak_rss_bytes));
  const std::string word = shell_word(done.output);
  out += "next:\n";
  if (runs_here) out += fmt::format("  jang run {} -p \"Once upon a time\"\n", word);
  out += fmt::format("  mlx_lm.generate --model {} --prompt \"Once upon a time\"\n  jang validate {}\n", word, word);
  return out;
}

Result<Outcome> convert_source(const Arguments& arguments, const Surroundings& surroundings, const plan::Options& options,
                               const quantize::RunOptions& given_run) {
  const std::string typed = arguments.value("SRC");
  const bool force = arguments.has("--force"), dry = arguments.has("--dry-run"), as_json = arguments.has("--json");
  std::string output = arguments.value("--output");
  if (!output.empty() && !dry) JANG_TRY(check_output_free(output, force));
  JANG_ASSIGN(const OpenedSource opened, open_named_source(typed, surroundings.hub, open_options(arguments), *given_run.observer));
  JANG_TRY(quantize::check_loadable(opened.source.model));
  if (output.empty() && !arguments.has("--plan")) {
    plan::Plan to_come;
    to_come.profile = options.profile;
    output = quantize::default_output_name(opened.naming_path, to_come);
    if (!dry) JANG_TRY(check_output_free(output, force));
  }
  JANG_ASSIGN(Knowledge knowledge, gather_knowledge(arguments, opened, options, given_run));
  quantize::RunOptions run = given_run;
  run.statistics = knowledge.statistics.get();
  JANG_ASSIGN(const plan::Plan plan, make_knowing_plan(arguments, opened, options, run, knowledge));
  if (output.empty()) output = quantize::default_output_name(opened.naming_path, plan);
  for (const format::Finding& f : engine::check_text(opened.source.checkpoint.path()))
    given_run.observer->warn(fmt::format("{}: {}", f.where, f.message));

  const arch::Model& model = opened.source.model;
  if (dry) {
    const Report report = plan_report(model, plan, plan::sizes(model, plan, plan::make_layout(model, plan)), {});
    if (!as_json) return Outcome{dry_run_text(report, typed, output, surroundings.stdout_color), ""};
    return Outcome{json::dump(plan_document(model, plan, report), 2) + "\n", ""};
  }
  JANG_ASSIGN(const std::unique_ptr<quantize::Grams> grams, make_grams(arguments, opened, plan, run, knowledge));
  run.grams = grams.get();
  JANG_ASSIGN(const quantize::ConvertReport done, quantize::convert(opened.source, plan, output, force, run));
  const Report report = plan_report(model, plan, done.sizes, done.errors);
  if (!as_json)
    return Outcome{arguments.has("--quiet") ? std::string() : result_text(report, done, typed, arch::decoder_config(model).ok()),
                   done.output};
  json::Value v = plan_document(model, plan, report);
  v["seconds"] = done.seconds;
  v["peak_rss_bytes"] = done.peak_rss_bytes;
  v["output"] = done.output;
  return Outcome{json::dump(v, 2) + "\n", done.output};
}

}  // namespace

int run_convert(const Arguments& arguments, const Surroundings& surroundings) {
  return run_planning_command(arguments, surroundings, convert_source);
}

}  // namespace jang::cli
