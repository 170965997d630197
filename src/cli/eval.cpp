// SPDX-License-Identifier: Apache-2.0
// `jang eval ppl|kld|mmlu|choice`: what one model says, as figures.
#include <chrono>
#include <optional>

#include <fmt/format.h>

#include "base/text_input.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/measuring.h"
#include "cli/report.h"
#include "cli/units.h"
#include "engine/wider_cache.h"
#include "eval/divergence.h"
#include "eval/engine_model.h"
#include "eval/items.h"
#include "eval/perplexity.h"
#include "eval/score_log.h"
#include "eval/tasks.h"
#include "experiment/line_log.h"
#include "experiment/svg.h"

namespace jang::cli {
namespace {

constexpr std::size_t kMaxItemLog = std::size_t{4} << 30;
constexpr std::size_t kMaxTaskFile = std::size_t{1} << 30;

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

Status usage(std::string message) { return {StatusCode::invalid_argument, std::move(message)}; }

// Options that only some of the measurements take: given elsewhere they would silently do nothing.
struct Taker {
  std::string_view option, whats;
};
constexpr Taker kTakers[] = {
    {"--file", "ppl kld choice"}, {"--ref", "kld"},   {"--protocol", "ppl kld"}, {"--ctx", "ppl kld"}, {"--stride", "ppl kld"},
    {"--tokens", "ppl kld"},      {"--data", "mmlu"}, {"--shots", "mmlu"},       {"--subset", "mmlu"}, {"--against", "mmlu choice"}};

Status check_options(const Arguments& arguments, std::string_view what) {
  for (const Taker& taker : kTakers)
    if (arguments.has(taker.option) && taker.whats.find(what) == std::string_view::npos)
      return usage(fmt::format("{} has no meaning for `eval {}`; it belongs to: {}", taker.option, what, taker.whats));
  const auto needs = [&](std::string_view option) { return !arguments.has(option); };
  if (what != "mmlu" && needs("--file")) return usage(fmt::format("`jang eval {}` needs --file", what));
  if (what == "mmlu" && needs("--data")) return usage("`jang eval mmlu` needs --data, the folder with `test` and `dev`");
  if (what == "kld" && needs("--ref")) return usage("`jang eval kld` needs --ref, the source to diverge from");
  return {};
}

json::Value heading(const Arguments& arguments, std::string_view what) {
  json::Value v = json::Value::object();
  v["schema_version"] = kSchemaVersion;
  v["what"] = what;
  v["model"] = arguments.value("MODEL");
  v["arithmetic"] = arguments.has("--fast") ? "fast" : "exact";
  return v;
}

Measured measured(const Arguments& arguments, json::Value document, std::string text) {
  if (arguments.has("--json")) return {json::dump(document, 2) + "\n", ""};
  return {std::move(text), ""};
}

Status write_log(const Arguments& arguments, const std::string& lines) {
  return arguments.has("--items") ? experiment::replace_text(arguments.value("--items"), lines) : Status();
}

struct Text {
  eval::Protocol protocol;
  eval::TokenStream stream;
  std::vector<eval::Window> windows;
  [[nodiscard]] eval::TextWindows view() const { return {stream.tokens, windows, protocol.begin_each ? stream.begin_token : -1}; }
};

Result<Text> read_windows(const Arguments& arguments, engine::Engine& engine) {
  Text text;
  JANG_ASSIGN(text.protocol, protocol_of(arguments));
  JANG_ASSIGN(const std::int64_t limit, token_limit(arguments));
  JANG_ASSIGN(text.stream, eval::read_token_stream(engine, arguments.value("--file"), limit));
  JANG_ASSIGN(text.windows, eval::make_windows(static_cast<std::int64_t>(text.stream.tokens.size()), text.protocol));
  return text;
}

void add_protocol(const Arguments& arguments, const Text& text, json::Value* document) {
  json::Value& v = *document;
  v["text"] = arguments.value("--file");
  v["protocol"] = text.protocol.name;
  v["ctx"] = text.protocol.ctx;
  v["stride"] = text.protocol.stride;
  v["windows"] = text.windows.size();
}

std::string protocol_text(const Text& text) {
  return fmt::format("protocol {}, {} windows of {} tokens", text.protocol.name, text.windows.size(), text.protocol.ctx);
}

eval::ScoreOptions score_options(Observer& observer) {
  observer.phase(2, 2, "score");
  observer.count("tokens");
  eval::ScoreOptions options;
  options.observer = &observer;
  options.cancel = &cancel_flag();
  return options;
}

// Scores with `engine` as a model: score(model), a Result; see with_wider_cache.
template <typename Score>
auto score_with(engine::Engine& engine, Observer& observer, const Score& score) {
  return engine::with_wider_cache([&](std::string_view note) { observer.info(note); },
                                  [&](std::optional<kernels::KvType> kv_type) {
                                    eval::EngineModel model(engine, kv_type);
                                    return score(model);
                                  });
}

std::string perplexity_text(const eval::Perplexity& p) {
  return fmt::format("{:.4f} ± {:.4f}", p.perplexity.value, p.perplexity.standard_error);
}

Result<Measured> eval_ppl(const Arguments& arguments, engine::Engine& engine, Observer& observer) {
  JANG_ASSIGN(const Text text, read_windows(arguments, engine));
  const Clock::time_point start = Clock::now();
  JANG_ASSIGN(const std::vector<eval::WindowScores> scores, score_with(engine, observer, [&](eval::LanguageModel& model) {
                return eval::measure_perplexity(model, text.view(), score_options(observer));
              }));
  const double seconds = seconds_since(start);
  std::string lines;
  for (const eval::WindowScores& s : scores) lines += eval::score_line(s);
  JANG_TRY(write_log(arguments, lines));
  const eval::Perplexity p = eval::perplexity_of(eval::all_nll(scores));
  json::Value v = heading(arguments, "ppl");
  add_protocol(arguments, text, &v);
  add_to_json(p, &v);
  v["seconds"] = seconds;
  return measured(
      arguments, std::move(v),
      fmt::format("perplexity {} on {} scored tokens of {}\n  nll        {:.5f} ± {:.5f} nats per token\n  {}\n  time       {}\n",
                  perplexity_text(p), p.nll.n, printable(arguments.value("--file")), p.nll.mean, p.nll.standard_error, protocol_text(text),
                  format_duration(seconds)));
}

std::string divergence_text(const eval::Divergence& d) {
  std::string text = fmt::format("KLD {:.5f} ± {:.5f} nats per token on {} scored tokens\n", d.kld.mean, d.kld.standard_error, d.n);
  text += "  percentiles";
  for (std::size_t i = 0; i < d.percentiles.size(); ++i)
    text += fmt::format("  {} {}", eval::kKldPercentiles[i].key, experiment::short_number(d.percentiles[i]));
  const double share = d.n > 0 ? static_cast<double>(d.n_same) / static_cast<double>(d.n) : 0;
  text += fmt::format("\n  same top    {:.2f} % [{:.2f}, {:.2f}]\n", share * 100, d.same.low * 100, d.same.high * 100);
  text += fmt::format("  perplexity  {}, source {}, ratio {:.4f} ± {:.4f}\n", perplexity_text(d.model), perplexity_text(d.reference),
                      d.ratio.value, d.ratio.standard_error);
  if (d.n_not_finite > 0) text += fmt::format("  {} tokens have values that are not finite: the model is broken\n", d.n_not_finite);
  return text;
}

Result<Measured> eval_kld(const Arguments& arguments, engine::Engine& engine, engine::Engine& source, Observer& observer) {
  JANG_ASSIGN(const Text text, read_windows(arguments, source));
  eval::EngineModel reference(source);
  const Clock::time_point start = Clock::now();
  JANG_ASSIGN(const eval::DivergenceScores scores, score_with(engine, observer, [&](eval::LanguageModel& model) {
                return eval::measure_divergence(reference, model, text.view(), score_options(observer));
              }));
  const double seconds = seconds_since(start);
  std::string lines;
  for (const eval::WindowScores& s : scores.model) lines += eval::score_line(s);
  JANG_TRY(write_log(arguments, lines));
  const eval::Divergence d = eval::divergence_of(scores.reference, scores.model);
  json::Value v = heading(arguments, "kld");
  v["ref"] = arguments.value("--ref");
  add_protocol(arguments, text, &v);
  add_to_json(d, &v);
  v["seconds"] = seconds;
  return measured(arguments, std::move(v),
                  divergence_text(d) + fmt::format("  {}\n  time        {}\n", protocol_text(text), format_duration(seconds)));
}

std::string accuracy_text(const eval::Accuracy& a) {
  return fmt::format("{:.2f} % [{:.2f}, {:.2f}]", a.value() * 100, a.interval.low * 100, a.interval.high * 100);
}

std::string summary_text(const eval::TaskSummary& s, std::string_view what) {
  std::string text = fmt::format("{}: {}, {} of {}\n", what, accuracy_text(s.raw), s.raw.correct, s.raw.n);
  if (s.word_perplexity)
    text += fmt::format("  word perplexity {:.4f} ± {:.4f}\n", s.word_perplexity->value, s.word_perplexity->standard_error);
  else if (what != "MMLU")
    text += fmt::format("  normalised by length: {}\n", accuracy_text(s.normalised));
  for (const eval::TaskSummary::Subject& subject : s.subjects)
    text += fmt::format("  {:<40} {:>4} of {:<4} {}\n", printable(subject.name), subject.raw.correct, subject.raw.n,
                        accuracy_text(subject.raw));
  if (s.n_cut > 0) text += fmt::format("  {} prompts were cut on the left to fit the context\n", s.n_cut);
  return text;
}

struct Questions {
  std::vector<eval::TaskItem> items;
  std::vector<eval::TokenItem> tokens;
  std::vector<int> shots;  // by item; empty where there is no such thing
};

Result<Questions> read_mmlu(const Arguments& arguments, engine::Engine& engine) {
  JANG_ASSIGN(const MmluOptions options, mmlu_options(arguments));
  JANG_ASSIGN(const std::vector<eval::MmluSubject> subjects, eval::load_mmlu(arguments.value("--data"), options.subset, options.shots));
  JANG_ASSIGN(const eval::Encode encode, eval::task_encoder(engine));
  JANG_ASSIGN(const std::int32_t start, eval::start_token(engine));
  JANG_ASSIGN(std::vector<eval::MmluItem> made, eval::make_mmlu_items(subjects, encode, start, eval::EngineModel(engine).max_context()));
  Questions q;
  for (eval::MmluItem& item : made) {
    q.items.push_back(std::move(item.item));
    q.tokens.push_back(std::move(item.tokens));
    q.shots.push_back(item.n_shots);
  }
  return q;
}

Result<Questions> read_choices(const Arguments& arguments, engine::Engine& engine) {
  const std::string path = arguments.value("--file");
  JANG_ASSIGN(const std::string text, read_text_input(path, kMaxTaskFile));
  Questions q;
  JANG_ASSIGN(q.items, eval::parse_tasks(text, path));
  JANG_ASSIGN(const eval::Encode encode, eval::task_encoder(engine));
  JANG_ASSIGN(const std::int32_t start, eval::start_token(engine));
  for (const eval::TaskItem& item : q.items) {
    JANG_ASSIGN(eval::TokenItem tokens, eval::tokenize_item(item, encode, start, eval::EngineModel(engine).max_context()));
    q.tokens.push_back(std::move(tokens));
  }
  return q;
}

Result<std::optional<eval::Comparison>> compare_with_log(const Arguments& arguments, const std::vector<eval::ItemResult>& results) {
  if (!arguments.has("--against")) return std::optional<eval::Comparison>();
  const std::string path = arguments.value("--against");
  JANG_ASSIGN(const std::string text, read_text_input(path, kMaxItemLog));
  JANG_ASSIGN(const std::vector<eval::ItemResult> others, eval::parse_item_log(text, path));
  JANG_ASSIGN(const eval::Comparison comparison, eval::compare_items(results, others));
  return std::optional(comparison);
}

Result<Measured> eval_questions(const Arguments& arguments, engine::Engine& engine, Observer& observer, const Questions& questions,
                                std::string_view what) {
  observer.phase(2, 2, "score");
  observer.count("items");
  eval::TaskOptions options;
  options.observer = &observer;
  options.cancel = &cancel_flag();
  const Clock::time_point start = Clock::now();
  using Results = std::vector<eval::ItemResult>;
  JANG_ASSIGN(const Results results, score_with(engine, observer, [&](eval::LanguageModel& model) -> Result<Results> {
                Results done;
                JANG_TRY(eval::score_items(model, questions.tokens, options, [&](std::size_t i, eval::ItemScore score) -> Status {
                  done.push_back(eval::result_of(i, questions.items[i], score));
                  return {};
                }));
                return done;
              }));
  const double seconds = seconds_since(start);
  std::string lines;
  for (const eval::ItemResult& r : results) lines += eval::item_line(r);
  JANG_TRY(write_log(arguments, lines));
  JANG_ASSIGN(const std::optional<eval::Comparison> paired, compare_with_log(arguments, results));
  const eval::TaskSummary summary = eval::summarize(results);

  json::Value v = heading(arguments, what);
  std::string text = summary_text(summary, what == "mmlu" ? "MMLU" : "accuracy");
  if (what == "mmlu") {
    v["data"] = arguments.value("--data");
    v["subset"] = arguments.value("--subset");
    double shots = 0;
    for (const int s : questions.shots) shots += s;
    v["shots"] = static_cast<int>(parse_integer(arguments.value("--shots"), "--shots", 0, INT32_MAX).value());
    v["mean_shots"] = questions.shots.empty() ? 0.0 : shots / static_cast<double>(questions.shots.size());
  } else {
    v["file"] = arguments.value("--file");
  }
  add_to_json(summary, &v);
  if (paired) {
    v["against"] = to_json(*paired);
    text +=
        fmt::format("against {}: only this model right {}, only the other {}; exact McNemar p = {}\n",
                    printable(arguments.value("--against")), paired->only_first, paired->only_second, experiment::short_number(paired->p));
  }
  v["seconds"] = seconds;
  return measured(arguments, std::move(v), text + fmt::format("  time {}\n", format_duration(seconds)));
}

Result<Measured> evaluate(const Arguments& arguments, const Surroundings& surroundings, Observer& observer) {
  const std::string what = arguments.value("WHAT");
  JANG_TRY(check_options(arguments, what));
  JANG_ASSIGN(engine::LoadOptions options, measuring_load_options(arguments));
  options.observer = &observer;
  observer.phase(1, 2, "load");
  JANG_ASSIGN(const std::unique_ptr<engine::Engine> engine, load_model(arguments.value("MODEL"), surroundings, options));
  if (what == "ppl") return eval_ppl(arguments, *engine, observer);
  if (what == "kld") {
    engine::LoadOptions exact = options;  // what one diverges from: `--ref MODEL` itself shows what the fast kernels cost
    exact.precision = kernels::Precision::exact;
    JANG_ASSIGN(const std::unique_ptr<engine::Engine> source, load_model(arguments.value("--ref"), surroundings, exact));
    return eval_kld(arguments, *engine, *source, observer);
  }
  if (what == "mmlu") {
    JANG_ASSIGN(const Questions questions, read_mmlu(arguments, *engine));
    return eval_questions(arguments, *engine, observer, questions, what);
  }
  JANG_ASSIGN(const Questions questions, read_choices(arguments, *engine));
  return eval_questions(arguments, *engine, observer, questions, what);
}

}  // namespace

int run_eval(const Arguments& arguments, const Surroundings& surroundings) {
  return run_measuring_command(arguments, surroundings, arguments.value("MODEL"), evaluate);
}

}  // namespace jang::cli
