// SPDX-License-Identifier: Apache-2.0
// `jang distill`: a bundle learns to predict what its source predicts.
#include "cli/distill.h"

#include "jang/distill.h"

#include <algorithm>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/planning.h"
#include "cli/units.h"

namespace jang::cli {
namespace {

constexpr std::int64_t kMaxSteps = 1'000'000;
constexpr double kMaxRate = 1000, kMaxSeconds = 1e9;

Result<DistillationOptions> distillation_options(const Arguments& arguments) {
  DistillationOptions o;
  JANG_ASSIGN(o.steps, parse_integer(arguments.value("--steps"), "--steps", 1, kMaxSteps));
  JANG_ASSIGN(o.windows, parse_integer(arguments.value("--batch"), "--batch", 1, 4096));
  JANG_ASSIGN(o.window_length, parse_integer(arguments.value("--seq-len"), "--seq-len", 2, 32768));
  JANG_ASSIGN(const std::int64_t seed, parse_integer(arguments.value("--seed"), "--seed", 0, std::int64_t{1} << 62));
  o.seed = static_cast<std::uint64_t>(seed);
  JANG_ASSIGN(const std::int64_t bits, parse_integer(arguments.value("--codes"), "--codes", 0, 8));
  o.code_bits = static_cast<int>(bits);
  if (arguments.value("--rate") != "auto") {
    JANG_ASSIGN(o.rate, parse_positive(arguments.value("--rate"), "--rate", kMaxRate));
  }
  if (arguments.value("--budget") != "0") {
    JANG_ASSIGN(o.budget_seconds, parse_positive(arguments.value("--budget"), "--budget", kMaxSeconds));
  }
  o.text_file = arguments.value("--text");
  o.force = arguments.has("--force");
  o.blocks = arguments.has("--blocks");
  return o;
}

std::string summary(const DistillationReport& r, bool text_given) {
  std::string out =
      fmt::format("wrote {}\n  divergence  {:.5f} nats per token on {} that it was not trained on, {:.5f} before", printable(r.output),
                  r.divergence, text_given ? "text of the source's own and given text" : "text of the source's own", r.start_divergence);
  out += r.start_divergence > 0 ? fmt::format(" ({:+.1f} %)\n", 100 * (r.divergence / r.start_divergence - 1)) : "\n";
  if (r.kept_step == 0) out += "              no step was better than the start: this is the bundle as it was\n";
  if (r.blocks.empty()) {
    out += fmt::format("  steps       {} of {} kept, rate {}\n", r.kept_step, r.steps, r.rate);
  } else {
    const auto kept = std::ranges::count_if(r.blocks, [](const DistilledBlock& b) { return b.kept_step > 0; });
    out += fmt::format("  blocks      {} of {} layers changed, by up to {} steps each\n", kept, r.blocks.size(), r.steps);
  }
  out += fmt::format("  trained     {} weights, {:.1f} % of the codes changed\n", r.trained_weights, 100 * r.changed_codes);
  return out + fmt::format("  time        {}\n", format_duration(r.seconds));
}

Json document(const DistillationReport& r) {
  Json points = Json::array(), trials = Json::array();
  for (const DistillationPoint& p : r.points) points.push_back({{"step", p.step}, {"kld", p.divergence}});
  for (const DistillationTrial& t : r.trials) trials.push_back({{"rate", t.rate}, {"kld", t.divergence}});
  Json blocks = Json::array();
  for (const DistilledBlock& b : r.blocks)
    blocks.push_back({{"layer", b.layer},
                      {"rate", b.rate},
                      {"kept_step", b.kept_step},
                      {"loss_start", b.start_loss},
                      {"loss", b.loss},
                      {"kld", b.divergence}});
  Json v = {{"schema_version", kSchemaVersion},
            {"output", r.output},
            {"steps", r.steps},
            {"kept_step", r.kept_step},
            {"rate", r.rate},
            {"kld_start", r.start_divergence},
            {"kld", r.divergence},
            {"changed_codes", r.changed_codes},
            {"trained_weights", r.trained_weights},
            {"seconds", r.seconds},
            {"trials", std::move(trials)},
            {"points", std::move(points)}};
  if (!r.blocks.empty()) v["blocks"] = std::move(blocks);
  return v;
}

Result<Outcome> distill(const Arguments& arguments, const Surroundings& surroundings, Progress& progress) {
  JANG_ASSIGN(const DistillationOptions options, distillation_options(arguments));
  const std::string output = arguments.value("--output"), source = arguments.value("--ref");
  if (source.empty()) return Status(StatusCode::invalid_argument, "give the model that the bundle was made of: --ref SOURCE");
  if (output.empty()) return Status(StatusCode::invalid_argument, "give the directory to write, for example -o distilled");
  JANG_ASSIGN(RunOptions run, run_options(arguments, surroundings));
  run.observer = &progress;
  run.cancel = &cancel_flag();
  JANG_ASSIGN(const DistillationReport report, distill_bundle(arguments.value("BUNDLE"), source, output, options, run));
  const bool as_json = arguments.has("--json");
  return Outcome{as_json                    ? dump(document(report), 2) + "\n"
                 : arguments.has("--quiet") ? std::string()
                                            : summary(report, !arguments.value("--text").empty()),
                 output};
}

}  // namespace

int run_distill(const Arguments& arguments, const Surroundings& surroundings) {
  return run_with_progress(arguments, surroundings, fmt::format("cannot distill {}", printable(arguments.value("BUNDLE"))), distill);
}

}  // namespace jang::cli
