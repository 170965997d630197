// SPDX-License-Identifier: Apache-2.0
// `jang eval ppl|kld|generate|mmlu|choice`: what one model says, as figures.
#include "cli/eval.h"

#include "cli/failure.h"
#include "jang/eval.h"

#include <limits>
#include <optional>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/measuring.h"
#include "cli/planning.h"
#include "cli/units.h"

namespace jang::cli {
namespace {

// Options that only some of the measurements take: given elsewhere they would silently do nothing.
struct Taker {
  std::string_view option, whats;
};
constexpr Taker kTakers[] = {{"--file", "ppl kld choice"}, {"--ref", "kld generate"}, {"--samples", "generate"}, {"--seq-len", "generate"},
                             {"--seed", "generate"},       {"--protocol", "ppl kld"}, {"--ctx", "ppl kld"},      {"--stride", "ppl kld"},
                             {"--tokens", "ppl kld"},      {"--data", "mmlu"},        {"--shots", "mmlu"},       {"--subset", "mmlu"},
                             {"--against", "mmlu choice"}};

Status check_options(const Arguments& arguments, std::string_view what) {
  for (const Taker& taker : kTakers)
    if (arguments.has(taker.option) && taker.whats.find(what) == std::string_view::npos)
      return usage(fmt::format("{} has no meaning for `eval {}`; it belongs to: {}", taker.option, what, taker.whats));
  const auto needs = [&](std::string_view option) { return !arguments.has(option); };
  if (what != "mmlu" && what != "generate" && needs("--file")) return usage(fmt::format("`jang eval {}` needs --file", what));
  if (what == "mmlu" && needs("--data")) return usage("`jang eval mmlu` needs --data, the folder with `test` and `dev`");
  if (what == "kld" && needs("--ref")) return usage("`jang eval kld` needs --ref, the source to diverge from");
  if (what == "generate" && needs("--ref")) return usage("`jang eval generate` needs --ref, the source to write beside");
  if (what == "generate" && arguments.has("--items")) return usage("--items has no meaning for `eval generate`");
  return {};
}

Json heading(const Arguments& arguments, std::string_view what) {
  Json v = new_document();
  v["what"] = what;
  v["model"] = arguments.value("MODEL");
  v["arithmetic"] = arguments.has("--fast") ? "fast" : "exact";
  return v;
}

Outcome outcome(const Arguments& arguments, const Json& document, std::string text) {
  if (arguments.has("--json")) return {dump(document, 2) + "\n", ""};
  return {std::move(text), ""};
}

EvalOptions eval_options(const Arguments& arguments, Progress& progress) {
  EvalOptions options;
  options.log_file = arguments.value("--items");
  options.observer = &progress;
  options.cancel = &cancel_flag();
  return options;
}

void add_text(const Arguments& arguments, const TextFacts& text, Json* document) {
  Json& v = *document;
  v["text"] = arguments.value("--file");
  v["protocol"] = text.protocol;
  v["ctx"] = text.context;
  v["stride"] = text.stride;
  v["windows"] = text.n_windows;
}

std::string protocol_text(const TextFacts& text) {
  return fmt::format("protocol {}, {} windows of {} tokens", text.protocol, text.n_windows, text.context);
}

std::string perplexity_text(const Perplexity& p) { return fmt::format("{:.4f} ± {:.4f}", p.perplexity.value, p.perplexity.standard_error); }

Result<Outcome> eval_ppl(const Arguments& arguments, const Model& model, Progress& progress) {
  JANG_ASSIGN(const TextOptions text, text_options(arguments));
  JANG_ASSIGN(const PerplexityReport report, measure_perplexity(model, text, eval_options(arguments, progress)));
  Json v = heading(arguments, "ppl");
  add_text(arguments, report.text, &v);
  v.update(parse_document(report.document));
  v["seconds"] = report.seconds;
  const Perplexity& p = report.perplexity;
  return outcome(
      arguments, v,
      fmt::format("perplexity {} on {} scored tokens of {}\n  nll        {:.5f} ± {:.5f} nats per token\n  {}\n  time       {}\n",
                  perplexity_text(p), p.nll.n, printable(arguments.value("--file")), p.nll.mean, p.nll.standard_error,
                  protocol_text(report.text), format_duration(report.seconds)));
}

std::string divergence_text(const Divergence& d) {
  std::string text = fmt::format("KLD {:.5f} ± {:.5f} nats per token on {} scored tokens\n", d.kld.mean, d.kld.standard_error, d.n);
  text += "  percentiles";
  for (std::size_t i = 0; i < d.percentiles.size(); ++i)
    text += fmt::format("  {} {}", kKldPercentiles[i].key, short_number(d.percentiles[i]));
  const double share = d.n > 0 ? static_cast<double>(d.n_same) / static_cast<double>(d.n) : 0;
  text += fmt::format("\n  same top    {:.2f} % [{:.2f}, {:.2f}]\n", share * 100, d.same.low * 100, d.same.high * 100);
  text += fmt::format("  perplexity  {}, source {}, ratio {:.4f} ± {:.4f}\n", perplexity_text(d.model), perplexity_text(d.reference),
                      d.ratio.value, d.ratio.standard_error);
  if (d.n_not_finite > 0) text += fmt::format("  {} tokens have values that are not finite: the model is broken\n", d.n_not_finite);
  return text;
}

std::string gains_text(const std::vector<RoleGain>& gains) {
  std::string text;
  for (const RoleGain& g : gains) text += fmt::format("{}{} {:.4f}", text.empty() ? "" : "  ", g.role, g.gain);
  return text.empty() ? text : "  gain        " + text + "\n";
}

Result<Outcome> eval_kld(const Arguments& arguments, const Model& model, const Model& source, Progress& progress) {
  JANG_ASSIGN(const TextOptions text, text_options(arguments));
  JANG_ASSIGN(const DivergenceReport report, measure_divergence(model, source, text, eval_options(arguments, progress)));
  Json v = heading(arguments, "kld");
  v["ref"] = arguments.value("--ref");
  add_text(arguments, report.text, &v);
  v.update(parse_document(report.document));
  v["seconds"] = report.seconds;
  return outcome(arguments, v,
                 divergence_text(report.divergence) + gains_text(report.gains) +
                     fmt::format("  {}\n  time        {}\n", protocol_text(report.text), format_duration(report.seconds)));
}

std::string share_text(const Share& s) {
  return fmt::format("{:.1f} % [{:.1f}, {:.1f}]", s.value() * 100, s.interval.low * 100, s.interval.high * 100);
}

std::string texts_text(std::string_view whose, const GeneratedTexts& t) {
  return fmt::format("  {:<7} repeating {}, ended by itself {}, {:.0f} ± {:.0f} tokens, distinct 4-grams {:.4f} ± {:.4f}\n", whose,
                     share_text(t.repeating), share_text(t.ended), t.length.mean, t.length.standard_error, t.distinct.mean,
                     t.distinct.standard_error);
}

Result<Outcome> eval_generate(const Arguments& arguments, const Model& model, const Model& source, Progress& progress) {
  TextSampleOptions texts;
  JANG_ASSIGN(texts.n_texts, parse_integer(arguments.value("--samples"), "--samples", 1, 65536));
  JANG_ASSIGN(texts.max_tokens, parse_integer(arguments.value("--seq-len"), "--seq-len", 1, 1 << 20));
  JANG_ASSIGN(const std::int64_t seed, parse_integer(arguments.value("--seed"), "--seed", 0, std::numeric_limits<std::int64_t>::max()));
  texts.seed = static_cast<std::uint64_t>(seed);
  JANG_ASSIGN(const GenerationReport report, compare_texts(model, source, texts, eval_options(arguments, progress)));
  Json v = heading(arguments, "generate");
  v["ref"] = arguments.value("--ref");
  v["max_tokens"] = texts.max_tokens;
  v["seed"] = texts.seed;
  v.update(parse_document(report.document));
  v["seconds"] = report.seconds;
  const Generation& g = report.generation;
  std::string text = fmt::format("{} texts of at most {} tokens\n", g.model.repeating.n, texts.max_tokens);
  text += texts_text("source", g.source) + texts_text("model", g.model);
  text +=
      fmt::format("  paired  length {:+.1f} ± {:.1f} tokens, distinct 4-grams {:+.4f} ± {:.4f}, exact McNemar p: repeating {}, ending {}\n",
                  g.length_change.mean, g.length_change.standard_error, g.distinct_change.mean, g.distinct_change.standard_error,
                  short_number(g.repeating_p), short_number(g.ended_p));
  text += fmt::format("  greedy  {} continuations of {} tokens: {:.1f} ± {:.1f} tokens in common, identical {}\n", g.greedy_common.n,
                      g.greedy_tokens, g.greedy_common.mean, g.greedy_common.standard_error, share_text(g.identical));
  return outcome(arguments, v, text + fmt::format("  time    {}\n", format_duration(report.seconds)));
}

std::string accuracy_text(const Accuracy& a) {
  return fmt::format("{:.2f} % [{:.2f}, {:.2f}]", a.value() * 100, a.interval.low * 100, a.interval.high * 100);
}

std::string summary_text(const TaskSummary& s, std::string_view what) {
  std::string text = fmt::format("{}: {}, {} of {}\n", what, accuracy_text(s.raw), s.raw.correct, s.raw.n);
  if (s.word_perplexity)
    text += fmt::format("  word perplexity {:.4f} ± {:.4f}\n", s.word_perplexity->value, s.word_perplexity->standard_error);
  else if (what != "MMLU")
    text += fmt::format("  normalised by length: {}\n", accuracy_text(s.normalised));
  for (const TaskSummary::Subject& subject : s.subjects)
    text += fmt::format("  {:<40} {:>4} of {:<4} {}\n", printable(subject.name), subject.raw.correct, subject.raw.n,
                        accuracy_text(subject.raw));
  if (s.n_cut > 0) text += fmt::format("  {} prompts were cut on the left to fit the context\n", s.n_cut);
  return text;
}

Outcome task_outcome(const Arguments& arguments, const TaskReport& report, Json v, std::string_view what) {
  std::string text = summary_text(report.summary, what);
  v.update(parse_document(report.document));
  if (report.against)
    text += fmt::format("against {}: only this model right {}, only the other {}; exact McNemar p = {}\n",
                        printable(arguments.value("--against")), report.against->only_first, report.against->only_second,
                        short_number(report.against->p));
  v["seconds"] = report.seconds;
  return outcome(arguments, v, text + fmt::format("  time {}\n", format_duration(report.seconds)));
}

Result<Outcome> eval_mmlu(const Arguments& arguments, const Model& model, Progress& progress) {
  JANG_ASSIGN(MmluOptions mmlu, mmlu_options(arguments));
  mmlu.directory = arguments.value("--data");
  JANG_ASSIGN(const TaskReport report, answer_mmlu(model, mmlu, arguments.value("--against"), eval_options(arguments, progress)));
  Json v = heading(arguments, "mmlu");
  v["data"] = arguments.value("--data");
  v["subset"] = arguments.value("--subset");
  v["shots"] = mmlu.shots;
  v["mean_shots"] = report.mean_shots.value_or(0.0);
  return task_outcome(arguments, report, std::move(v), "MMLU");
}

Result<Outcome> eval_choice(const Arguments& arguments, const Model& model, Progress& progress) {
  const std::string file = arguments.value("--file");
  JANG_ASSIGN(const TaskReport report, answer_choices(model, file, arguments.value("--against"), eval_options(arguments, progress)));
  Json v = heading(arguments, "choice");
  v["file"] = file;
  return task_outcome(arguments, report, std::move(v), "accuracy");
}

Result<Outcome> evaluate(const Arguments& arguments, const Surroundings& surroundings, Progress& progress) {
  const std::string what = arguments.value("WHAT");
  JANG_TRY(check_options(arguments, what));
  JANG_ASSIGN(ModelOptions options, measuring_model_options(arguments));
  options.observer = &progress;
  progress.phase(1, 2, "load");
  JANG_ASSIGN(const Model model, open_measured_model(arguments.value("MODEL"), surroundings, options));
  std::optional<Model> source;
  if (what == "kld" || what == "generate") {
    options.arithmetic = Arithmetic::exact;  // what one diverges from: `--ref MODEL` itself shows what the fast kernels cost
    JANG_ASSIGN(source, open_measured_model(arguments.value("--ref"), surroundings, options));
  }
  progress.phase(2, 2, what == "generate" ? "write" : "score");
  if (what == "ppl") return eval_ppl(arguments, model, progress);
  if (what == "mmlu") return eval_mmlu(arguments, model, progress);
  if (what == "choice") return eval_choice(arguments, model, progress);
  if (what == "generate") return eval_generate(arguments, model, *source, progress);
  return eval_kld(arguments, model, *source, progress);
}

}  // namespace

int run_eval(const Arguments& arguments, const Surroundings& surroundings) {
  return run_with_progress(arguments, surroundings, fmt::format("cannot evaluate {}", arguments.value("MODEL")), evaluate);
}

}  // namespace jang::cli
