// SPDX-License-Identifier: Apache-2.0
// `jang export`: a packed model becomes one that other programs open.
#include "cli/export.h"

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/planning.h"
#include "cli/progress.h"
#include "cli/units.h"
#include "jang/export_model.h"

namespace jang::cli {
namespace {

std::string result_text(const ExportReport& done, const std::string& source) {
  std::string out = fmt::format("{}: wrote {}\n", printable(source), printable(done.output));
  out += fmt::format("  modules      {} packed, {} exactly as in the source", done.n_modules, done.n_exact);
  if (done.n_exact < done.n_modules) out += fmt::format(", the others off by {:.3g} of their squared norm", done.error);
  out += fmt::format("\n  stored bits  {:.3f} a weight\n  files        {}\n", done.stored_bits, format_bytes(done.file_bytes));
  return out + fmt::format("  time         {}\n", format_duration(done.seconds));
}

std::string document(const ExportReport& done) {
  Json v = new_document();
  v["output"] = done.output;
  v["modules"] = done.n_modules;
  v["exact_modules"] = done.n_exact;
  v["error"] = done.error;
  v["changed"] = done.changed;
  v["file_bytes"] = done.file_bytes;
  v["stored_bits"] = done.stored_bits;
  v["seconds"] = done.seconds;
  return dump(v, 2) + "\n";
}

ExportScales scales_named(const std::string& name) {
  if (name == "bf16") return ExportScales::bf16;
  if (name == "fp16") return ExportScales::f16;
  return name == "fp32" ? ExportScales::f32 : ExportScales::automatic;
}

Result<Outcome> export_bundle(const Arguments& arguments, const Surroundings& surroundings, Progress& progress) {
  ExportOptions options;
  options.target = arguments.value("--target");
  options.output = arguments.value("--output");
  options.scales = scales_named(arguments.value("--scale-dtype"));
  options.force = arguments.has("--force");
  JANG_ASSIGN(RunOptions run, run_options(arguments, surroundings));
  run.observer = &progress;
  run.cancel = &cancel_flag();
  const std::string typed = arguments.value("BUNDLE");
  JANG_ASSIGN(const ExportReport done, export_model(typed, options, run));
  const bool quiet = arguments.has("--quiet");
  return Outcome{arguments.has("--json") ? document(done) : quiet ? std::string() : result_text(done, typed), done.output};
}

}  // namespace

int run_export(const Arguments& arguments, const Surroundings& surroundings) {
  return run_with_progress(arguments, surroundings, fmt::format("cannot export {}", arguments.value("BUNDLE")), export_bundle);
}

}  // namespace jang::cli
