// SPDX-License-Identifier: Apache-2.0
// One class holds the state of a comparison; its steps run in order and each leaves its results on disk.
#include "experiment/compare.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "base/machine.h"
#include "engine/wider_cache.h"
#include "eval/divergence.h"
#include "eval/engine_model.h"
#include "eval/items.h"
#include "eval/score_log.h"
#include "experiment/fingerprint.h"
#include "experiment/gains.h"
#include "experiment/line_log.h"
#include "experiment/speed.h"
#include "format/hub.h"
#include "quantize/convert.h"

namespace jang::experiment {
namespace {

namespace fs = std::filesystem;

// Conversions announce phases of their own; here they are parts of one.
class InnerObserver final : public Observer {
 public:
  explicit InnerObserver(Observer& outer) : outer_(outer) {}
  void set_label(std::string label) { label_ = std::move(label); }
  void phase(int, int, std::string_view) override {}
  void tick(std::int64_t, std::int64_t, std::string_view) override {}
  void info(std::string_view message) override { outer_.info(fmt::format("{}: {}", label_, message)); }
  void warn(std::string_view message) override { outer_.warn(fmt::format("{}: {}", label_, message)); }

 private:
  Observer& outer_;
  std::string label_;
};

// A calibration is a part of the phase in which the first recipe needs it, and numbers none of its own.
class CalibrationObserver final : public Observer {
 public:
  explicit CalibrationObserver(Observer& outer) : outer_(outer) {}
  void part_of(int phase, int phases) {
    phase_ = phase;
    phases_ = phases;
  }
  // Whether a phase was announced since the last call.
  bool was_heard() { return std::exchange(was_heard_, false); }
  void phase(int, int, std::string_view name) override {
    was_heard_ = true;
    outer_.phase(phase_, phases_, name);
  }
  void count(std::string_view unit) override { outer_.count(unit); }
  void tick(std::int64_t done, std::int64_t total, std::string_view label) override { outer_.tick(done, total, label); }
  void info(std::string_view message) override { outer_.info(message); }
  void warn(std::string_view message) override { outer_.warn(message); }

 private:
  Observer& outer_;
  int phase_ = 0, phases_ = 0;
  bool was_heard_ = false;
};

quantize::RunOptions observed_by(Observer& observer, quantize::RunOptions run) {
  run.observer = &observer;
  return run;
}

// One model of the comparison: the source (recipe absent) or a bundle.
struct Entry {
  std::string name, file_name, directory, fingerprint;
  std::optional<BundleRecord> bundle;
  std::uint64_t file_bytes = 0, open_bytes = 0;
  double stored_bits = 0;
  bool is_gguf = false;
  std::vector<eval::WindowScores> scores;
  std::unique_ptr<LineLog> score_log;
  std::vector<RoleGain> gains;
  std::vector<eval::ItemResult> items;
  Speed speed;
  [[nodiscard]] bool has(std::size_t window) const { return !scores[window].nll.empty(); }
};

class Session {
 public:
  explicit Session(const CompareOptions& options)
      : options_(options),
        observer_(options.run.observer ? *options.run.observer : silent_),
        calibration_(observer_),
        self_(options.source, options.work, options.load, observed_by(calibration_, options.run)) {}

  Result<CompareReport> run() {
    JANG_TRY(open());
    JANG_TRY(convert());
    JANG_TRY(measure());
    JANG_TRY(answer());
    JANG_TRY(time());
    return report();
  }

 private:
  [[nodiscard]] bool stopped() const { return options_.run.cancel && options_.run.cancel->load(std::memory_order_relaxed); }
  static Status cancelled() { return {StatusCode::cancelled, "comparison stopped; the same command goes on from here"}; }

  void next_phase(std::string_view name, std::string_view unit) {
    ++phase_;
    announce(name, unit);
  }
  void announce(std::string_view name, std::string_view unit) {
    const int n_phases = 3 + (options_.mmlu.empty() ? 0 : 1) + (options_.speed ? 1 : 0);
    observer_.phase(phase_, n_phases, name);
    calibration_.part_of(phase_, n_phases);
    if (!unit.empty()) observer_.count(unit);
  }

  Status open() {
    next_phase("open", "");
    for (const char* folder : {"scores", "gains", "tasks", "speed"}) JANG_TRY(make_directories(options_.work + "/" + folder));
    JANG_ASSIGN(quantize::Source source, quantize::open_source(options_.source, {.lenient = options_.load.lenient}));
    for (const std::string& warning : source.model.warnings) observer_.warn(warning);
    source_.emplace(std::move(source));
    JANG_ASSIGN(source_fingerprint_, fingerprint_checkpoint(source_->checkpoint));
    JANG_ASSIGN(engine_, engine::Engine::load(options_.source, options_.load));
    JANG_ASSIGN(stream_, eval::read_token_stream(*engine_, options_.text, options_.max_tokens));
    JANG_ASSIGN(windows_, eval::make_windows(static_cast<std::int64_t>(stream_.tokens.size()), options_.protocol));
    return {};
  }

  Status convert() {
    next_phase("convert", "recipes");
    InnerObserver inner(observer_);
    BundleOptions bundles{options_.work, source_fingerprint_, options_.tool, &self_, options_.gguf, options_.run};
    bundles.run.observer = &inner;
    Entry source;
    source.name = source.file_name = "source";
    source.directory = options_.source;
    source.fingerprint = source_fingerprint_;
    source.file_bytes = source.open_bytes = engine_->file_bytes();
    source.stored_bits = engine_->stored_bits();
    entries_.push_back(std::move(source));
    for (const Recipe& recipe : options_.recipes) {
      inner.set_label(recipe.name);
      Result<BundleRecord> made = prepare_bundle(*source_, recipe, bundles);
      if (!made.ok()) return made.status().with_context(recipe.name);
      Entry entry;
      entry.name = recipe.name;
      entry.file_name = file_name_of(recipe);
      entry.directory = made->directory;
      entry.fingerprint = made->fingerprint;
      entry.file_bytes = made->file_bytes;
      entry.open_bytes = made->open_bytes;
      entry.is_gguf = recipe.is_gguf();
      entry.stored_bits = made->stored_bits;
      entry.bundle = std::move(made).value();
      entries_.push_back(std::move(entry));
      if (calibration_.was_heard()) announce("convert", "recipes");
      observer_.tick(static_cast<std::int64_t>(entries_.size()) - 1, static_cast<std::int64_t>(options_.recipes.size()), recipe.name);
    }
    return {};
  }

  [[nodiscard]] json::Value arithmetic() const {
    return {options_.load.precision == kernels::Precision::exact ? "exact" : "fast", options_.load.backend};
  }

  // What the scores of an entry depend on. A model's own nll does not depend on the recipes beside it.
  [[nodiscard]] std::string log_path(const Entry& entry, const char* folder, const char* extension, json::Value facts) const {
    facts["model"] = entry.fingerprint;
    facts["source"] = source_fingerprint_;
    facts["tool"] = options_.tool;
    return fmt::format("{}/{}/{}-{}.{}", options_.work, folder, entry.file_name, experiment::fingerprint(facts), extension);
  }

  Status open_score_logs() {
    const eval::Protocol& p = options_.protocol;
    json::Value facts = json::Value::object();
    facts["tokens"] =
        fingerprint_text({reinterpret_cast<const char*>(stream_.tokens.data()), stream_.tokens.size() * sizeof(std::int32_t)});
    facts["protocol"] = {p.name, p.ctx, p.stride};
    facts["arithmetic"] = arithmetic();
    for (Entry& entry : entries_) {
      const std::string path = log_path(entry, "scores", "jsonl", facts);
      std::string lines;
      JANG_ASSIGN(LineLog log, LineLog::open(path, false, &lines));
      Result<std::vector<eval::WindowScores>> known = eval::parse_score_log(lines, path, windows_, entry.bundle.has_value());
      if (!known.ok()) {  // somebody else's lines: begin again rather than mix
        observer_.warn(fmt::format("{}; measuring {} again", known.status().message(), entry.name));
        JANG_ASSIGN(log, LineLog::open(path, true, &lines));
        known = eval::parse_score_log("", path, windows_, entry.bundle.has_value());
      }
      entry.scores = std::move(known).value();
      entry.score_log = std::make_unique<LineLog>(std::move(log));
    }
    return {};
  }

  // Entries that fit in memory beside the source, in order.
  [[nodiscard]] std::vector<std::vector<Entry*>> groups() {
    std::vector<std::vector<Entry*>> groups(1);
    std::uint64_t open = entries_.front().open_bytes;
    for (std::size_t i = 1; i < entries_.size(); ++i) {
      if (!groups.back().empty() && options_.open_bytes > 0 && open + entries_[i].open_bytes > options_.open_bytes) {
        groups.emplace_back();
        open = entries_.front().open_bytes;
      }
      groups.back().push_back(&entries_[i]);
      open += entries_[i].open_bytes;
    }
    return groups;
  }

  Status measure() {
    next_phase("measure", "tokens");
    JANG_TRY(open_score_logs());
    const std::vector<std::vector<Entry*>> all = groups();
    for (std::size_t g = 0; g < all.size(); ++g) JANG_TRY(measure_group(all[g], g, all.size()));
    for (Entry& entry : entries_) entry.score_log.reset();
    for (Entry& entry : entries_) {
      if (!entry.bundle) continue;
      JANG_ASSIGN(entry.gains, kept_gains(log_path(entry, "gains", "json", json::Value::object()), *engine_, entry.directory, options_.load,
                                          options_.run.cancel));
    }
    return {};
  }

  Status measure_group(const std::vector<Entry*>& group, std::size_t index, std::size_t n_groups) {
    std::vector<std::unique_ptr<engine::Engine>> engines(group.size());
    std::vector<std::optional<eval::EngineModel>> models(group.size());
    const auto missing = [&](std::size_t w) {
      std::vector<std::size_t> list;
      for (std::size_t i = 0; i < group.size(); ++i)
        if (!group[i]->has(w)) list.push_back(i);
      return list;
    };
    for (std::size_t w = 0; w < windows_.size();) {
      const std::vector<std::size_t> wanted = missing(w);
      std::size_t end = w + 1;
      const bool source_missing = !entries_.front().has(w);
      while (end < windows_.size() && missing(end) == wanted && !entries_.front().has(end) == source_missing) ++end;
      if (!wanted.empty() || source_missing) {
        std::vector<eval::LanguageModel*> others;
        std::vector<Entry*> targets;
        for (const std::size_t i : wanted) {
          if (!engines[i]) {
            JANG_ASSIGN(engines[i], engine::Engine::load(group[i]->directory, options_.load));
            models[i].emplace(*engines[i]);
          }
          others.push_back(&*models[i]);
          targets.push_back(group[i]);
        }
        JANG_TRY(score(w, end, others, targets, index, n_groups));
      }
      w = end;
    }
    return {};
  }

  // Scores windows [begin, end) of the source and `others`, and keeps them as they come.
  Status score(std::size_t begin, std::size_t end, const std::vector<eval::LanguageModel*>& others, const std::vector<Entry*>& targets,
               std::size_t group, std::size_t n_groups) {
    std::int64_t per_group = 0, before = 0;
    for (std::size_t w = 0; w < windows_.size(); ++w) {
      per_group += windows_[w].n_tokens;
      if (w < begin) before += windows_[w].n_tokens;
    }
    eval::EngineModel source(*engine_);
    eval::ScoreOptions score_options;
    score_options.observer = &observer_;
    score_options.cancel = options_.run.cancel;
    score_options.ticks_done = per_group * static_cast<std::int64_t>(group) + before;
    score_options.ticks_total = per_group * static_cast<std::int64_t>(n_groups);
    const eval::TextWindows text{stream_.tokens, std::span(windows_).subspan(begin, end - begin),
                                 options_.protocol.begin_each ? stream_.begin_token : -1};
    return eval::score_windows(source, others, text, score_options, [&](std::size_t m, eval::WindowScores scores) -> Status {
      Entry& entry = m == 0 ? entries_.front() : *targets[m - 1];
      scores.window += begin;
      if (entry.has(scores.window)) return {};
      JANG_TRY(entry.score_log->append(eval::score_line(scores)));
      entry.scores[scores.window] = std::move(scores);
      return {};
    });
  }

  Status answer() {
    if (options_.mmlu.empty()) return {};
    next_phase("questions", "questions");
    JANG_ASSIGN(const std::vector<eval::MmluSubject> subjects, eval::load_mmlu(options_.mmlu, options_.subset, options_.shots));
    JANG_ASSIGN(const eval::Encode encode, eval::task_encoder(*engine_));
    JANG_ASSIGN(const std::int32_t start, eval::start_token(*engine_));
    JANG_ASSIGN(const std::vector<eval::MmluItem> items,
                eval::make_mmlu_items(subjects, encode, start, eval::EngineModel(*engine_).max_context()));
    std::string all_tokens;
    for (const eval::MmluItem& item : items)
      all_tokens.append(reinterpret_cast<const char*>(item.tokens.prefix.data()), item.tokens.prefix.size() * sizeof(std::int32_t))
          .append(1, static_cast<char>('A' + item.item.answer));
    json::Value facts = json::Value::object();
    facts["questions"] = fingerprint_text(all_tokens);
    facts["arithmetic"] = arithmetic();
    for (std::size_t e = 0; e < entries_.size(); ++e) JANG_TRY(answer_with(entries_[e], e, items, facts));
    return {};
  }

  Status answer_with(Entry& entry, std::size_t index, const std::vector<eval::MmluItem>& items, const json::Value& facts) {
    const std::string path = log_path(entry, "tasks", "jsonl", facts);
    std::string lines;
    JANG_ASSIGN(LineLog log, LineLog::open(path, false, &lines));
    Result<std::vector<eval::ItemResult>> known = eval::parse_item_log(lines, path);
    const bool usable = known.ok() && std::all_of(known->begin(), known->end(), [&](const eval::ItemResult& r) {
                          return r.item < items.size() && r.id == items[r.item].item.id;
                        });
    if (!usable) {
      JANG_ASSIGN(log, LineLog::open(path, true, &lines));
      known = std::vector<eval::ItemResult>{};
    }
    entry.items = std::move(known).value();
    std::vector<bool> done(items.size(), false);
    for (const eval::ItemResult& r : entry.items) done[r.item] = true;
    std::vector<eval::TokenItem> tokens;
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (done[i]) continue;
      tokens.push_back(items[i].tokens);
      places.push_back(i);
    }
    const auto n = static_cast<std::int64_t>(items.size());
    eval::TaskOptions task_options;
    task_options.observer = &observer_;
    task_options.cancel = options_.run.cancel;
    task_options.ticks_done = n * static_cast<std::int64_t>(index) + n - static_cast<std::int64_t>(places.size());
    task_options.ticks_total = n * static_cast<std::int64_t>(entries_.size());
    if (!places.empty()) {
      JANG_ASSIGN(const std::unique_ptr<engine::Engine> engine, engine::Engine::load(entry.directory, options_.load));
      eval::EngineModel model(*engine);
      const Status scored = eval::score_items(model, tokens, task_options, [&](std::size_t i, eval::ItemScore score) {
        entry.items.push_back(eval::result_of(places[i], items[places[i]].item, score));
        return log.append(eval::item_line(entry.items.back()));
      });
      JANG_TRY(scored);
    }
    std::sort(entry.items.begin(), entry.items.end(), [](const eval::ItemResult& a, const eval::ItemResult& b) { return a.item < b.item; });
    return {};
  }

  Status time() {
    if (!options_.speed) return {};
    next_phase("speed", "models");
    const std::span<const std::int32_t> tokens(stream_.tokens.data(), std::min<std::size_t>(stream_.tokens.size(), 512));
    json::Value facts = json::Value::object();
    facts["speed"] = {options_.load.n_threads, options_.load.backend};
    engine_.reset();  // each model is measured alone
    for (Entry& entry : entries_) {
      if (stopped()) return cancelled();
      if (entry.is_gguf) continue;  // it runs as float32 here, which tells nothing of its speed
      const std::string path = log_path(entry, "speed", "json", facts);
      if (const Result<json::Value> known = json::parse_file(path); known.ok()) {
        Result<Speed> speed = speed_from_json(known.value());
        if (speed.ok()) {
          entry.speed = speed.value();
          continue;
        }
      }
      SpeedOptions speed_options;
      speed_options.load = options_.load;
      speed_options.load.precision = kernels::Precision::fast;
      const auto tell = [&](std::string_view note) { observer_.info(fmt::format("{}: {}", entry.name, note)); };
      JANG_ASSIGN(entry.speed, engine::with_wider_cache(tell, [&](std::optional<kernels::KvType> kv_type) {
                    speed_options.load.kv_type = kv_type;
                    return measure_speed(entry.directory, tokens, speed_options);
                  }));
      JANG_TRY(replace_text(path, json::dump(to_json(entry.speed)) + "\n"));
      observer_.tick(&entry - entries_.data() + 1, static_cast<std::int64_t>(entries_.size()), entry.name);
    }
    return {};
  }

  [[nodiscard]] std::vector<std::string> facts() const {
    const eval::Protocol& p = options_.protocol;
    std::int64_t scored = 0;
    for (const eval::Window& w : windows_) scored += w.n_scored();
    std::vector<std::string> lines = {
        fmt::format("{} tokens of {}, protocol {} with windows of {}: {} tokens scored", stream_.tokens.size(),
                    fs::path(options_.text).filename().string(), p.name, p.ctx, scored),
        options_.load.precision == kernels::Precision::exact
            ? "quality measured with exact (float32) arithmetic; speed with the fast kernels"
            : "quality and speed measured with the fast kernels"};
    if (!options_.mmlu.empty())
      lines.push_back(fmt::format("MMLU, {}, {} shots",
                                  options_.subset == eval::MmluSubset::first_200 ? "first 20 questions of 10 subjects" : "all",
                                  options_.shots));
    if (std::any_of(entries_.begin(), entries_.end(), [](const Entry& e) { return e.is_gguf; }))
      lines.emplace_back(
          "gguf: a file of llama.cpp's formats, dequantized to float32 and run by this engine; its bytes are those of its tensors' data, "
          "without metadata, vocabulary and padding; its speed is not measured");
    const std::string processor = processor_name();
    lines.push_back(fmt::format("jang {}, {} threads{}{}", options_.tool,
                                options_.load.n_threads > 0 ? options_.load.n_threads : available_threads(),
                                processor.empty() ? "" : " of ", processor));
    return lines;
  }

  CompareReport report() {
    CompareReport report;
    report.model = format::model_name(options_.source);
    report.text = fs::path(options_.text).filename().string();
    report.facts = facts();
    const Entry& source = entries_.front();
    std::vector<double> p_values;
    for (const Entry& entry : entries_) {
      CompareRow row;
      row.name = entry.name;
      row.is_source = !entry.bundle;
      row.is_gguf = entry.is_gguf;
      row.stored_bits = entry.stored_bits;
      row.file_bytes = entry.file_bytes;
      row.perplexity = eval::perplexity_of(eval::all_nll(entry.scores));
      if (entry.bundle) {
        row.divergence = eval::divergence_of(source.scores, entry.scores);
        row.gains = entry.gains;
        row.code_bits = entry.bundle->code_bits;
        if (entry.bundle->convert_seconds > 0) row.convert_seconds = entry.bundle->convert_seconds;
        row.classes = entry.bundle->classes;
        row.calibration_text = entry.bundle->calibration_text;
        row.calibration_seconds = entry.bundle->calibration_seconds;
      }
      if (!entry.items.empty()) row.task = eval::summarize(entry.items);
      if (entry.bundle && row.task) {
        const Result<eval::Comparison> paired = eval::compare_items(source.items, entry.items);
        JANG_CHECK(paired.ok());  // the same questions by construction
        row.against_source = paired.value();
        p_values.push_back(paired->p);
      }
      row.decode_tokens_per_second = entry.speed.decode_tokens_per_second;
      row.prefill_tokens_per_second = entry.speed.prefill_tokens_per_second;
      row.memory_bytes = entry.speed.memory_bytes;
      report.rows.push_back(std::move(row));
    }
    const std::vector<double> adjusted = eval::holm(p_values);
    for (std::size_t i = 0; i < adjusted.size(); ++i) report.rows[i + 1].holm_p = adjusted[i];
    return report;
  }

  const CompareOptions& options_;
  int phase_ = 0;
  SilentObserver silent_;
  Observer& observer_;
  CalibrationObserver calibration_;
  SelfCalibration self_;
  std::optional<quantize::Source> source_;
  std::string source_fingerprint_;
  std::unique_ptr<engine::Engine> engine_;  // of the source
  eval::TokenStream stream_;
  std::vector<eval::Window> windows_;
  std::vector<Entry> entries_;
};

}  // namespace

Result<CompareReport> compare(const CompareOptions& options) { return Session(options).run(); }

}  // namespace jang::experiment
