// SPDX-License-Identifier: Apache-2.0
// `jang convert`: a checkpoint becomes a bundle.
#include "cli/convert.h"

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/effort.h"
#include "cli/failure.h"
#include "cli/interrupt.h"
#include "cli/planning.h"
#include "cli/report.h"
#include "cli/units.h"
#include "jang/convert.h"

namespace jang::cli {
namespace {

constexpr std::int64_t kMostSteps = 1'000'000;  // of --distill

// A word as a shell takes it back.
std::string shell_word(const std::string& word) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./+:@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string shell_command(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + shell_word(word);
  return out;
}

std::string heading(const ModelReport& model, const std::string& source, std::string_view arrow, const std::string& output) {
  return fmt::format("{} of {}, method {}{}{}\n", model.profile.value_or("?"), printable(source), model.method.value_or("?"), arrow,
                     printable(output));
}

std::string dry_run_text(const ConvertReport& done, const std::string& source, bool color) {
  const ModelReport& model = done.plan.model;
  return heading(model, source, ": would write ", done.output) + sizes_text(model) + "\n" + histogram_text(model, color);
}

std::string result_text(const ConvertReport& done, const std::string& source) {
  std::string out = heading(done.plan.model, source, ": wrote ", done.output) + sizes_text(done.plan.model);
  if (done.distillation)
    out += fmt::format("  divergence   {:.5f} after training, {:.5f} before, on text of the model's own\n", done.distillation->divergence,
                       done.distillation->start_divergence);
  out += fmt::format("  time         {}\n", format_duration(done.seconds + (done.distillation ? done.distillation->seconds : 0)));
  out += fmt::format("  peak memory  {}\n", format_bytes(done.peak_rss_bytes));
  const std::string word = shell_word(done.output);
  out += "next:\n";
  if (done.runs_here) out += fmt::format("  jang run {} -p \"Once upon a time\"\n", word);
  if (!done.loader_command.empty()) out += fmt::format("  {}\n", shell_command(done.loader_command));
  return out + fmt::format("  jang validate {}\n", word);
}

std::string document(const ConvertReport& done, const std::optional<EffortLevel>& estimate) {
  Json v = parse_document(done.plan.document);
  if (estimate) v["effort"] = effort_document(*estimate);
  v["seconds"] = done.seconds;
  v["peak_rss_bytes"] = done.peak_rss_bytes;
  if (done.distillation)
    v["distillation"] = {{"steps", done.distillation->steps},    {"kept_step", done.distillation->kept_step},
                         {"rate", done.distillation->rate},      {"kld_start", done.distillation->start_divergence},
                         {"kld", done.distillation->divergence}, {"seconds", done.distillation->seconds}};
  v["output"] = done.output;
  return dump(v, 2) + "\n";
}

Result<Outcome> convert_source(const Arguments& arguments, const Surroundings& surroundings, Progress& progress) {
  ConvertOptions options;
  JANG_ASSIGN(options.plan, planning_options(arguments));
  JANG_ASSIGN(RunOptions run, run_options(arguments, surroundings));
  JANG_TRY(add_knowledge(arguments, &options.plan));
  run.observer = &progress;
  run.cancel = &cancel_flag();
  options.output = arguments.value("--output");
  options.force = arguments.has("--force");
  options.dry_run = arguments.has("--dry-run");
  JANG_ASSIGN(const std::optional<int> effort, effort_of(arguments));
  if (arguments.has("--distill") || effort == kMostEffort) options.distillation.emplace();
  if (arguments.has("--distill")) {
    JANG_ASSIGN(options.distillation->steps, parse_integer(arguments.value("--distill"), "--distill", 1, kMostSteps));
  }
  if (arguments.has("--blocks") && !options.distillation)
    return usage("--blocks says how to train, and nothing is trained; add --distill STEPS, or --effort 4");
  if (options.distillation) {
    options.distillation->blocks = arguments.has("--blocks");
    options.distillation->seed = options.plan.calibration.seed;
    if (arguments.has("--budget")) options.distillation->budget_seconds = options.plan.calibration.budget_seconds;
  }
  const std::string typed = arguments.value("SRC");
  std::optional<EffortLevel> estimate;
  std::optional<RemainingTime> remaining;
  if (effort && !options.dry_run) {
    // What is wrong with the source, the conversion says better.
    const auto levels = estimate_effort(typed, options.plan, *effort, options.distillation.value_or(DistillationOptions()), run);
    if (levels.ok() && levels->back().refusal.empty()) estimate = levels->back();
  }
  if (estimate) {
    progress.info(fmt::format("effort {} takes {}", *effort, effort_line(*estimate)));
    run.observer = &remaining.emplace(progress, *estimate, wall_clock);
  }
  JANG_ASSIGN(const ConvertReport done, convert_model(typed, options, run));
  const bool as_json = arguments.has("--json");
  if (options.dry_run) return Outcome{as_json ? done.plan.document + "\n" : dry_run_text(done, typed, surroundings.stdout_color), ""};
  return Outcome{as_json ? document(done, estimate) : arguments.has("--quiet") ? std::string() : result_text(done, typed), done.output};
}

}  // namespace

int run_convert(const Arguments& arguments, const Surroundings& surroundings) {
  return run_with_progress(arguments, surroundings, fmt::format("cannot convert {}", arguments.value("SRC")), convert_source);
}

}  // namespace jang::cli
