// SPDX-License-Identifier: Apache-2.0
// Questions of jang/eval.h: MMLU and other choices, answered item by item.
#include <string>
#include <vector>

#include "api/access.h"
#include "base/clock.h"
#include "base/text_input.h"
#include "engine/wider_cache.h"
#include "eval/engine_model.h"
#include "eval/items.h"
#include "eval/mmlu.h"
#include "eval/tasks.h"
#include "experiment/line_log.h"
#include "jang/eval.h"

namespace jang {
namespace {

constexpr std::size_t kMaxItemLog = std::size_t{4} << 30;
constexpr std::size_t kMaxTaskFile = std::size_t{1} << 30;

struct Questions {
  std::vector<eval::TaskItem> items;
  std::vector<eval::TokenItem> tokens;
  std::optional<double> mean_shots;
};

Result<Questions> read_mmlu(const MmluOptions& mmlu, engine::Engine& engine) {
  JANG_ASSIGN(const std::vector<eval::MmluSubject> subjects,
              eval::load_mmlu(mmlu.directory, mmlu.first_200 ? eval::MmluSubset::first_200 : eval::MmluSubset::all, mmlu.shots));
  JANG_ASSIGN(const eval::Encode encode, eval::task_encoder(engine));
  JANG_ASSIGN(const std::int32_t start, eval::start_token(engine));
  JANG_ASSIGN(std::vector<eval::MmluItem> made, eval::make_mmlu_items(subjects, encode, start, eval::EngineModel(engine).max_context()));
  Questions q;
  double shots = 0;
  for (eval::MmluItem& item : made) {
    q.items.push_back(std::move(item.item));
    q.tokens.push_back(std::move(item.tokens));
    shots += item.n_shots;
  }
  q.mean_shots = made.empty() ? 0.0 : shots / static_cast<double>(made.size());
  return q;
}

Result<Questions> read_choices(const std::string& path, engine::Engine& engine) {
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

Result<std::vector<eval::ItemResult>> score(const Model& model, const Questions& questions, const EvalOptions& how, Observer& observer) {
  observer.count("items");
  eval::TaskOptions options;
  options.observer = &observer;
  options.cancel = how.cancel;
  const auto tell = [&](std::string_view note) { observer.info(note); };
  using Results = std::vector<eval::ItemResult>;
  return engine::with_wider_cache(tell, [&](std::optional<kernels::KvType> kv_type) -> Result<Results> {
    eval::EngineModel language_model(Access::engine(model), kv_type);
    Results done;
    JANG_TRY(eval::score_items(language_model, questions.tokens, options, [&](std::size_t i, eval::ItemScore scored) -> Status {
      done.push_back(eval::result_of(i, questions.items[i], scored));
      return {};
    }));
    return done;
  });
}

Result<std::optional<Comparison>> compare_with_log(const std::string& path, const std::vector<eval::ItemResult>& results) {
  if (path.empty()) return std::optional<Comparison>();
  JANG_ASSIGN(const std::string text, read_text_input(path, kMaxItemLog));
  JANG_ASSIGN(const std::vector<eval::ItemResult> others, eval::parse_item_log(text, path));
  JANG_ASSIGN(const Comparison comparison, eval::compare_items(results, others));
  return std::optional(comparison);
}

Result<TaskReport> answer(const Model& model, const Questions& questions, const std::string& against, const EvalOptions& how) {
  SilentObserver silent;
  Observer& observer = how.observer != nullptr ? *how.observer : silent;
  const auto start = Clock::now();
  JANG_ASSIGN(const std::vector<eval::ItemResult> results, score(model, questions, how, observer));
  TaskReport report;
  report.seconds = seconds_since(start);
  if (!how.log_file.empty()) {
    std::string lines;
    for (const eval::ItemResult& r : results) lines += eval::item_line(r);
    JANG_TRY(experiment::replace_text(how.log_file, lines));
  }
  JANG_ASSIGN(report.against, compare_with_log(against, results));
  report.summary = eval::summarize(results);
  report.mean_shots = questions.mean_shots;
  json::Value document = json::Value::object();
  eval::add_to_json(report.summary, &document);
  if (report.against) document["against"] = eval::to_json(*report.against);
  report.document = json::dump(document);
  return report;
}

}  // namespace

Result<TaskReport> answer_mmlu(const Model& model, const MmluOptions& mmlu, const std::string& against, const EvalOptions& options) {
  JANG_ASSIGN(const Questions questions, read_mmlu(mmlu, Access::engine(model)));
  return answer(model, questions, against, options);
}

Result<TaskReport> answer_choices(const Model& model, const std::string& file, const std::string& against, const EvalOptions& options) {
  JANG_ASSIGN(const Questions questions, read_choices(file, Access::engine(model)));
  return answer(model, questions, against, options);
}

}  // namespace jang
