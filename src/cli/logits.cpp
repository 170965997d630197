// SPDX-License-Identifier: Apache-2.0
// `jang logits`: the logits of given token ids, and the greedy continuation. It serves to compare the engine with others.
//
// FILE.safetensors holds "logits" F32 [n, vocab] of the given ids, "ids" I64 [n] and "continuation" I64 [N].
#include "cli/logits.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/failure.h"
#include "cli/generation.h"
#include "cli/units.h"
#include "jang/logits.h"
#include "jang/text_input.h"

namespace jang::cli {
namespace {

constexpr std::size_t kMaxIds = 1 << 24;

struct LogitsOutcome {
  std::vector<std::int32_t> ids;
  LogitsReport report;
  std::int64_t vocab = 0;
  double load_seconds = 0;
};

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Whole numbers separated by commas or white space.
Result<std::vector<std::int32_t>> parse_ids(const std::string& text, std::string_view what) {
  std::vector<std::int32_t> ids;
  std::size_t at = 0;
  constexpr std::string_view kSeparators = ", \t\r\n[]";
  while ((at = text.find_first_not_of(kSeparators, at)) != std::string::npos) {
    const std::size_t end = std::min(text.find_first_of(kSeparators, at), text.size());
    JANG_ASSIGN(const std::int64_t id, parse_integer(text.substr(at, end - at), what, 0, INT32_MAX));
    ids.push_back(static_cast<std::int32_t>(id));
    at = end;
    if (ids.size() > kMaxIds) return Status(StatusCode::invalid_argument, fmt::format("{}: more than {} ids", what, kMaxIds));
  }
  if (ids.empty()) return Status(StatusCode::invalid_argument, fmt::format("{}: no token ids", what));
  return ids;
}

Result<std::vector<std::int32_t>> read_ids(const Arguments& arguments) {
  if (arguments.has("--ids") == arguments.has("--ids-file"))
    return Status(StatusCode::invalid_argument, "give token ids with --ids or with --ids-file");
  if (arguments.has("--ids")) return parse_ids(arguments.value("--ids"), "--ids");
  JANG_ASSIGN(const std::string text, read_text_input(arguments.value("--ids-file"), std::size_t{64} << 20));
  return parse_ids(text, "--ids-file");
}

Result<LogitsOutcome> run(const Arguments& arguments, const Surroundings& surroundings) {
  LogitsOutcome out;
  JANG_ASSIGN(out.ids, read_ids(arguments));
  LogitsOptions options;
  if (arguments.has("--continue")) {
    JANG_ASSIGN(options.n_continuation, parse_integer(arguments.value("--continue"), "--continue", 0, 1 << 20));
  }
  options.output = arguments.value("--output");
  NotePrinter printer(surroundings.stderr_color);
  options.observer = &printer;
  JANG_ASSIGN(const ModelOptions how, model_options(arguments));
  const auto start = Clock::now();
  JANG_ASSIGN(const Model model, open_named_model(arguments.value("MODEL"), surroundings, how));
  out.load_seconds = seconds_since(start);
  out.vocab = model.vocab_size();
  JANG_ASSIGN(out.report, compute_logits(model, out.ids, options));
  return out;
}

Json document(const Arguments& arguments, const LogitsOutcome& out) {
  Json v = new_document();
  v["model"] = arguments.value("MODEL");
  v["vocab"] = out.vocab;
  v["ids"] = out.ids;
  v["continuation"] = out.report.continuation;
  v["best"] = Json::array();
  for (const std::vector<TokenLogit>& row : out.report.best) {
    Json list = Json::array();
    for (const TokenLogit& b : row) list.push_back({{"id", b.id}, {"logit", b.logit}});
    v["best"].push_back(std::move(list));
  }
  v["load_seconds"] = out.load_seconds;
  v["prefill_seconds"] = out.report.prompt_seconds;
  v["decode_seconds"] = out.report.continuation_seconds;
  v["output"] = arguments.has("--output") ? Json(arguments.value("--output")) : Json(nullptr);
  return v;
}

std::string text_of(const LogitsOutcome& out) {
  std::string text;
  for (std::size_t i = 0; i < out.ids.size(); ++i) {
    text += fmt::format("{:>8} ", out.ids[i]);
    for (const TokenLogit& b : out.report.best[i]) text += fmt::format("  {}:{:.4f}", b.id, b.logit);
    text += '\n';
  }
  if (!out.report.continuation.empty()) text += fmt::format("continuation: {}\n", fmt::join(out.report.continuation, ","));
  const auto rate = [](std::size_t n, double s) { return s > 0 ? static_cast<double>(n) / s : 0.0; };
  text += fmt::format("prefill {} tokens, {:.1f} tokens/s", out.ids.size(), rate(out.ids.size(), out.report.prompt_seconds));
  if (out.report.continuation.size() > 1)
    text += fmt::format("; decode {} tokens, {:.1f} tokens/s", out.report.continuation.size() - 1,
                        rate(out.report.continuation.size() - 1, out.report.continuation_seconds));
  return text + "\n";
}

}  // namespace

int run_logits(const Arguments& arguments, const Surroundings& surroundings) {
  const Result<LogitsOutcome> out = run(arguments, surroundings);
  if (!out.ok()) return fail(fmt::format("no logits of {}", arguments.value("MODEL")), "logits", out.status(), surroundings.stderr_color);
  return finish(arguments.has("--json") ? dump(document(arguments, out.value()), 2) + "\n" : text_of(out.value()), surroundings);
}

}  // namespace jang::cli
