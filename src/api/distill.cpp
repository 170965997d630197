// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "jang/distill.h"

#include <array>
#include <filesystem>

#include <fmt/format.h>

#include "api/access.h"
#include "api/distilling.h"
#include "api/planning.h"
#include "base/clock.h"
#include "base/machine.h"
#include "base/phases.h"
#include "distill/blocks.h"
#include "distill/checkpoint_file.h"
#include "distill/distill.h"
#include "distill/student.h"
#include "distill/write_bundle.h"
#include "format/bundle_writer.h"
#include "format/targets/bundle.h"
#include "format/targets/targets.h"
#include "json/json.h"
#include "quantize/check_loads.h"

namespace jang {
namespace {

Result<std::unique_ptr<engine::Engine>> load(const std::string& directory, const RunOptions& run, engine::Engine* beside) {
  engine::LoadOptions load = load_options(run, kernels::Precision::exact);
  load.observer = run.observer;
  load.beside = beside;
  Result<std::unique_ptr<engine::Engine>> engine = engine::Engine::load(directory, load);
  if (!engine.ok()) return as_input_failure(engine.status());
  return engine;
}

// Of memory that the training of the whole takes for a packed weight (distill.h).
constexpr double kBytesOfWeight = 30;

std::string checkpoint_of(const std::string& output) { return output + ".training"; }

// What stands in the bundle: how to make it again, and what it was worth.
json::Value record_of(const DistillationReport& report, const DistillationOptions& options) {
  json::Value rates = json::Value::array();
  for (const DistilledBlock& b : report.blocks) rates.push_back(b.kept_step > 0 ? b.rate : 0);
  json::Value record = {{"text", options.text_file.empty() ? "self" : "self and file"},
                        {"steps", report.steps},
                        {"kept_step", report.kept_step},
                        {"windows", options.windows},
                        {"window_length", options.window_length},
                        {"seed", options.seed},
                        {"code_bits", options.code_bits},
                        {"rate", report.rate},
                        {"start_divergence", report.start_divergence},
                        {"divergence", report.divergence}};
  if (options.blocks) record["blocks"] = rates;
  return record;
}

// What writing would refuse is refused before the work, not after it.
Status check_output(const std::string& output, const std::string& bundle, const std::string& source, bool force) {
  namespace fs = std::filesystem;
  if (output.empty()) return {StatusCode::invalid_argument, "a distillation needs a directory to write"};
  std::error_code ec;
  if (const fs::path folder = fs::absolute(output, ec).parent_path(); !fs::is_directory(folder, ec))
    return {StatusCode::not_found, "the folder of the output, " + folder.string() + ", does not exist"};
  JANG_TRY(format::check_not_in_the_way(output));
  if (!fs::exists(fs::symlink_status(output, ec))) return {};
  if (!fs::exists(output, ec)) return {StatusCode::invalid_argument, output + " is a link to nothing; remove it, or choose another -o"};
  JANG_TRY(format::check_apart(output, std::array{bundle, source}));
  if (force && fs::exists(output + "/config.json", ec)) return {};
  if (force) return {StatusCode::invalid_argument, output + " exists and is no model directory: it is not replaced"};
  return {StatusCode::invalid_argument, output + " exists already; choose another -o, or --force to replace it"};
}

// What would not be published after the training is refused before it.
Status check_trainable(const std::string& directory) {
  JANG_ASSIGN(const format::Bundle bundle, format::open_bundle(directory));
  if (bundle.target != &targets::default_target())
    return {StatusCode::invalid_argument,
            fmt::format("only bundles of the target {} are trained, not {}", targets::default_target().name(), bundle.target->name())};
  JANG_ASSIGN(const std::vector<format::Finding> findings, quantize::validate_bundle(directory, {}));
  for (const format::Finding& f : findings)
    if (f.severity == format::Severity::error)
      return {StatusCode::not_found, "the bundle is not valid: " + f.where + ": " + f.message + "; `jang validate` shows all of it"};
  return {};
}

// Whether the training of the whole would not fit into the memory of the machine. A card has memory of its own, of which we do not know.
bool is_too_large(engine::Engine& bundle) {
  std::int64_t weights = 0;
  for (const std::string& path : bundle.decoder().modules())
    for (const kernels::MatrixView& m : bundle.decoder().matrices(path)) weights += m.format.packed() ? m.n_rows * m.n_cols : 0;
  const std::uint64_t memory = physical_memory_bytes();
  return memory > 0 && !bundle.device().has_own_memory() && static_cast<double>(weights) * kBytesOfWeight > static_cast<double>(memory);
}

// What training made: of the whole, or block by block.
struct Trained {
  DistillationReport report;
  distill::StoredBytesOfModules bytes;
};
Result<Trained> train(engine::Engine& source, engine::Engine& bundle, const DistillationOptions& options, const distill::Options& o,
                      Observer& observer, const CancelFlag* cancel) {
  if (options.blocks) {
    JANG_ASSIGN(distill::BlocksOutcome done, distill::distill_blocks(source, bundle, options.code_bits, o, observer, cancel));
    return Trained{std::move(done.report), std::move(done.best)};
  }
  JANG_ASSIGN(const std::unique_ptr<distill::Student> student, distill::Student::create(bundle, source, options.code_bits));
  JANG_ASSIGN(distill::Outcome done, distill::distill(source, *student, o, observer, cancel));
  return Trained{std::move(done.report), distill::bytes_of(done.best, bundle.decoder())};
}

// All but the text that is given.
distill::Options training_options(const DistillationOptions& options) {
  distill::Options o;
  o.text.n_windows = options.windows;
  o.text.length = options.window_length;
  o.text.seed = options.seed;
  o.steps = options.steps;
  o.rate = options.rate;
  o.budget_seconds = options.budget_seconds;
  return o;
}

}  // namespace

std::vector<std::string_view> distillation_phases(const DistillationOptions& options) {
  std::vector<std::string_view> phases = distill::phases_of(training_options(options));
  phases.emplace_back("write");
  return phases;
}

Status check_distillation(const DistillationOptions& options, const std::string& output) {
  JANG_TRY(distill::check_options(training_options(options)));
  return output.empty() ? Status() : distill::check_checkpoint_place(checkpoint_of(output));
}

Result<DistillationReport> distill_directory(const std::string& directory, const std::string& source, const std::string& output,
                                             const DistillationOptions& options, const RunOptions& run, Observer& observer) {
  const auto start = Clock::now();
  distill::Options o = training_options(options);
  if (!options.text_file.empty()) {
    JANG_ASSIGN(o.text.given, read_given_text(options.text_file));
    if (o.text.given.empty()) return Status(StatusCode::invalid_argument, options.text_file + " is empty: there is nothing to train on");
  }
  o.checkpoint_path = checkpoint_of(output);
  JANG_ASSIGN(const std::unique_ptr<engine::Engine> teacher, load(source, run, nullptr));
  JANG_ASSIGN(const std::unique_ptr<engine::Engine> packed, load(directory, run, teacher.get()));
  DistillationOptions wanted = options;
  if (!wanted.blocks && is_too_large(*packed)) {
    observer.info("training all of it at once would not fit into the memory of this machine: it is trained block by block");
    wanted.blocks = true;
  }
  JANG_ASSIGN(Trained done, train(*teacher, *packed, wanted, o, observer, run.cancel));
  begin_phase(observer, "write");
  JANG_TRY(distill::write_bundle(directory, {.lenient = run.lenient}, done.bytes, record_of(done.report, wanted), output, options.force,
                                 observer));
  std::error_code ec;
  for (const std::string& left : {o.checkpoint_path, o.checkpoint_path + ".tmp"}) std::filesystem::remove(left, ec);
  done.report.output = output;
  done.report.seconds = seconds_since(start);
  return std::move(done.report);
}

Result<DistillationReport> distill_bundle(const std::string& bundle, const std::string& source, const std::string& wanted,
                                          const DistillationOptions& options, const RunOptions& run) {
  const std::string output = without_trailing_slash(wanted);
  JANG_TRY(check_distillation(options, output));
  JANG_ASSIGN(const std::string directory, find_input(bundle, run));
  JANG_ASSIGN(const std::string original, find_input(source, run));
  JANG_TRY(check_output(output, directory, original, options.force));
  JANG_TRY(check_trainable(directory));
  Phases observer(observer_of(run), distillation_phases(options));
  return distill_directory(directory, original, output, options, run, observer);
}

}  // namespace jang
