// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "jang/convert.h"

#include <filesystem>

#include <fmt/format.h>

#include "api/access.h"
#include "api/distilling.h"
#include "api/planning.h"
#include "arch/decoder_config.h"
#include "engine/text_check.h"
#include "format/bundle_writer.h"
#include "format/targets/target.h"
#include "plan/layout.h"
#include "plan/make_plan.h"
#include "quantize/check_loads.h"

namespace jang {
namespace {

// Where a bundle that is to be trained is made.
std::string start_of(const std::string& output) { return output + ".start"; }

// Asked before any work: hours of measuring must not end in "exists already".
Status check_output_free(const std::string& output, const ConvertOptions& options) {
  if (options.dry_run) return {};
  JANG_TRY(format::check_not_in_the_way(output));
  std::error_code error;
  // An interrupted training leaves a checkpoint beside its start; any other directory of that name is the user's, even with --force.
  if (options.distillation && std::filesystem::exists(start_of(output), error) && !std::filesystem::exists(output + ".training", error))
    return {StatusCode::invalid_argument, fmt::format("{} is in the way: remove it, or choose another --output", start_of(output))};
  if (options.force) return {};
  if (!std::filesystem::exists(std::filesystem::symlink_status(output, error))) return {};
  return {StatusCode::invalid_argument, fmt::format("{} exists already; choose another --output, or --force to replace it", output)};
}

std::string default_output(const std::string& name, std::string_view profile) {
  plan::Plan to_come;
  to_come.profile = profile;
  return quantize::default_output_name(name, to_come);
}

// What users of the files about text should know.
void tell_of_text_files(const quantize::Source& source, Observer& observer) {
  for (const format::Finding& finding : engine::check_text(source.checkpoint.path(), *source.target))
    observer.warn(fmt::format("{}: {}", finding.where, finding.message));
}

}  // namespace

Status set_effort(int level, ConvertOptions* options) {
  JANG_TRY(set_effort(level, &options->plan));
  options->distillation.reset();
  if (level == kMostEffort) options->distillation.emplace();
  return {};
}

Result<ConvertReport> convert_model(const std::string& name, const ConvertOptions& options, const RunOptions& run) {
  ConvertReport report;
  report.output = without_trailing_slash(options.output);
  JANG_ASSIGN(const plan::Options planner, planner_options(options.plan));
  if (!report.output.empty()) JANG_TRY(check_output_free(report.output, options));
  if (options.distillation && planner.target != &targets::default_target())
    return Status(StatusCode::invalid_argument, fmt::format("only bundles of the target {} are trained, not {}",
                                                            targets::default_target().name(), planner.target->name()));
  std::vector<std::string_view> phases_after;
  if (!options.dry_run) phases_after = {"quantize", "write"};
  if (options.distillation) {
    JANG_TRY(check_distillation(*options.distillation, report.output));
    const std::vector<std::string_view> more = distillation_phases(*options.distillation);
    if (!options.dry_run) phases_after.insert(phases_after.end(), more.begin(), more.end());
  }
  JANG_ASSIGN(Planning planning, Planning::open(name, options.plan, planner, run, phases_after));
  const quantize::Source& source = planning.source();
  JANG_TRY(quantize::check_loadable(source.model, *source.target));
  if (options.distillation) JANG_TRY(arch::decoder_config(source.model).status());  // it has to run
  if (report.output.empty() && options.plan.plan_file.empty()) {
    report.output = default_output(name, planner.profile);
    JANG_TRY(check_output_free(report.output, options));
    if (options.distillation) JANG_TRY(check_distillation(*options.distillation, report.output));
  }
  if (!options.dry_run) JANG_TRY(planning.check_text());
  JANG_TRY(planning.check_scales());
  JANG_TRY(planning.gather());
  JANG_ASSIGN(const plan::Plan plan, planning.make_plan());
  if (report.output.empty()) report.output = default_output(name, plan.profile);
  tell_of_text_files(source, observer_of(run));
  const StatusCode text = text::Tokenizer::load(source.checkpoint.path()).status().code();
  report.runs_here = arch::decoder_config(source.model).ok() && text == StatusCode::ok;
  // A tokenizer in a format that only others read is no obstacle to them.
  if (text == StatusCode::ok || text == StatusCode::unsupported)
    report.loader_command = source.target->sample_command(source.model, report.output);
  if (options.dry_run) {
    report.plan = planning.report(plan, plan::sizes(source.model, plan, plan::make_layout(source.model, plan)), {});
    return report;
  }
  JANG_ASSIGN(const std::unique_ptr<quantize::Grams> grams, planning.make_grams(plan));
  quantize::RunOptions conversion = planning.conversion_options();
  conversion.grams = grams.get();
  // A bundle that is to be trained is made beside its place and goes when the trained one stands there.
  const std::string made = options.distillation ? start_of(report.output) : report.output;
  const bool replaces = options.force || options.distillation;
  JANG_ASSIGN(const quantize::ConvertReport done, quantize::convert(source, plan, made, replaces, conversion));
  report.plan = planning.report(plan, done.sizes, done.errors);
  if (options.distillation) {
    DistillationOptions training = *options.distillation;
    training.force = options.force;
    Result<DistillationReport> trained =
        distill_directory(made, source.checkpoint.path(), report.output, training, run, planning.observer());
    // What a later call would take up needs the start; without a checkpoint it would only be in the way.
    std::error_code ec;
    if (trained.ok() || !std::filesystem::exists(report.output + ".training", ec)) std::filesystem::remove_all(made, ec);
    JANG_ASSIGN(report.distillation, std::move(trained));
  }
  report.seconds = done.seconds;
  report.peak_rss_bytes = done.peak_rss_bytes;
  return report;
}

}  // namespace jang
