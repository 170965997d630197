// SPDX-License-Identifier: Apache-2.0
// `jang logits`: the logits of given token ids, and the greedy continuation. It serves to compare the engine with others.
//
// FILE.safetensors holds "logits" F32 [n, vocab] of the given ids, "ids" I64 [n] and "continuation" I64 [N].
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <numeric>

#include <fmt/format.h>

#include "base/file.h"
#include "base/text_input.h"
#include "cli/commands.h"
#include "cli/failure.h"
#include "cli/generation.h"
#include "cli/report.h"
#include "cli/units.h"
#include "engine/engine.h"
#include "engine/wider_cache.h"
#include "format/safetensors.h"

namespace jang::cli {
namespace {

constexpr std::int64_t kChunk = 512;     // tokens of a forward
constexpr std::int64_t kHeadChunk = 32;  // rows of logits at a time
constexpr std::size_t kMaxIds = 1 << 24;
constexpr std::size_t kTop = 5;  // best tokens listed per position

struct Best {
  std::int32_t id;
  float logit;
};

struct Outcome {
  std::vector<std::int32_t> ids, continuation;
  std::vector<std::vector<Best>> best;  // by position of ids
  std::int64_t vocab = 0;
  double load_seconds = 0, prefill_seconds = 0, decode_seconds = 0;
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

std::vector<Best> best_of(const float* logits, std::int64_t vocab) {
  std::vector<Best> best;
  for (std::int32_t id = 0; id < vocab; ++id) {
    if (best.size() == kTop && !(logits[id] > best.back().logit)) continue;
    const auto at = std::find_if(best.begin(), best.end(), [&](const Best& b) { return logits[id] > b.logit; });
    best.insert(at, {id, logits[id]});
    if (best.size() > kTop) best.pop_back();
  }
  return best;
}

// The file of logits, written row by row.
class LogitsFile {
 public:
  static Result<LogitsFile> create(const std::string& path, std::int64_t n, std::int64_t vocab, std::int64_t n_continuation) {
    const std::vector<TensorInfo> tensors = {
        {"logits", DType::f32, {n, vocab}}, {"ids", DType::i64, {n}}, {"continuation", DType::i64, {n_continuation}}};
    const std::string header = format::make_safetensors_header(tensors, {{"format", "pt"}});
    JANG_ASSIGN(OutputFile file, OutputFile::create(path));
    LogitsFile out(std::move(file), path);
    JANG_TRY(out.append(std::as_bytes(std::span(header))));
    return out;
  }
  Status append(std::span<const std::byte> bytes) {
    JANG_TRY(file_.write_at(at_, bytes));
    at_ += bytes.size();
    return {};
  }
  Status append_ids(const std::vector<std::int32_t>& ids) {
    const std::vector<std::int64_t> wide(ids.begin(), ids.end());
    return append(std::as_bytes(std::span(wide)));
  }

 private:
  LogitsFile(OutputFile file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}
  OutputFile file_;
  std::string path_;
  std::uint64_t at_ = 0;
};

Status prefill(engine::Engine& engine, model::Sequence& sequence, Outcome* out, LogitsFile* file) {
  const std::int64_t hidden_size = engine.decoder().config().hidden;
  std::vector<float> hidden, logits(static_cast<std::size_t>(kHeadChunk * out->vocab));
  for (std::size_t begin = 0; begin < out->ids.size(); begin += kChunk) {
    const auto tokens = std::span(out->ids).subspan(begin, std::min<std::size_t>(kChunk, out->ids.size() - begin));
    const model::BatchItem item{&sequence, static_cast<std::int64_t>(tokens.size())};
    const auto start = Clock::now();
    JANG_TRY(engine.forward({&item, 1}, tokens, &hidden));
    out->prefill_seconds += seconds_since(start);
    for (std::int64_t row = 0; row < item.n_tokens; row += kHeadChunk) {
      const std::int64_t n = std::min(kHeadChunk, item.n_tokens - row);
      JANG_TRY(engine.logits(hidden.data() + row * hidden_size, n, logits.data()));
      for (std::int64_t i = 0; i < n; ++i) out->best.push_back(best_of(logits.data() + i * out->vocab, out->vocab));
      if (file != nullptr) JANG_TRY(file->append(std::as_bytes(std::span(logits).first(static_cast<std::size_t>(n * out->vocab)))));
    }
  }
  return {};
}

Status go_on(engine::Engine& engine, model::Sequence& sequence, std::int64_t n, Outcome* out) {
  std::vector<float> hidden, logits(static_cast<std::size_t>(out->vocab));
  const auto start = Clock::now();
  std::int32_t next = out->best.back().front().id;
  for (std::int64_t i = 0; i < n; ++i) {
    out->continuation.push_back(next);
    if (i + 1 == n) break;
    const model::BatchItem item{&sequence, 1};
    JANG_TRY(engine.forward({&item, 1}, {&next, 1}, &hidden));
    JANG_TRY(engine.logits(hidden.data(), 1, logits.data()));
    next = static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  }
  out->decode_seconds = seconds_since(start);
  return {};
}

// Runs `known`'s ids and goes on behind them; a file that was begun and not finished is removed.
Result<Outcome> measure(const Arguments& arguments, engine::Engine& engine, std::optional<kernels::KvType> kv_type, const Outcome& known,
                        std::int64_t n_continuation) {
  Outcome out = known;
  std::optional<LogitsFile> file;
  const std::string path = arguments.value("--output");
  if (!path.empty()) {
    JANG_ASSIGN(LogitsFile created, LogitsFile::create(path, static_cast<std::int64_t>(out.ids.size()), out.vocab, n_continuation));
    file.emplace(std::move(created));
  }
  model::Sequence sequence = engine.new_sequence(kv_type);
  Status done = prefill(engine, sequence, &out, file ? &*file : nullptr);
  if (done.ok()) done = go_on(engine, sequence, n_continuation, &out);
  if (done.ok() && file) done = file->append_ids(out.ids);
  if (done.ok() && file) done = file->append_ids(out.continuation);
  if (done.ok()) return out;
  std::error_code ec;
  if (file) std::filesystem::remove(path, ec);
  return done;
}

Result<Outcome> run(const Arguments& arguments, const Surroundings& surroundings) {
  Outcome out;
  JANG_ASSIGN(out.ids, read_ids(arguments));
  std::int64_t n_continuation = 0;
  if (arguments.has("--continue")) {
    JANG_ASSIGN(n_continuation, parse_integer(arguments.value("--continue"), "--continue", 0, 1 << 20));
  }
  JANG_ASSIGN(const engine::LoadOptions options, load_options(arguments));
  const auto start = Clock::now();
  JANG_ASSIGN(const std::unique_ptr<engine::Engine> engine, load_named_model(arguments.value("MODEL"), surroundings, options));
  out.load_seconds = seconds_since(start);
  out.vocab = engine->decoder().config().vocab;
  return engine::with_wider_cache(
      print_cache_note, [&](std::optional<kernels::KvType> kv_type) { return measure(arguments, *engine, kv_type, out, n_continuation); });
}

json::Value document(const Arguments& arguments, const Outcome& out) {
  json::Value v = json::Value::object();
  v["schema_version"] = kSchemaVersion;
  v["model"] = arguments.value("MODEL");
  v["vocab"] = out.vocab;
  v["ids"] = out.ids;
  v["continuation"] = out.continuation;
  v["best"] = json::Value::array();
  for (const std::vector<Best>& row : out.best) {
    json::Value list = json::Value::array();
    for (const Best& b : row) list.push_back({{"id", b.id}, {"logit", b.logit}});
    v["best"].push_back(std::move(list));
  }
  v["load_seconds"] = out.load_seconds;
  v["prefill_seconds"] = out.prefill_seconds;
  v["decode_seconds"] = out.decode_seconds;
  v["output"] = arguments.has("--output") ? json::Value(arguments.value("--output")) : json::Value(nullptr);
  return v;
}

std::string text_of(const Outcome& out) {
  std::string text;
  for (std::size_t i = 0; i < out.ids.size(); ++i) {
    text += fmt::format("{:>8} ", out.ids[i]);
    for (const Best& b : out.best[i]) text += fmt::format("  {}:{:.4f}", b.id, b.logit);
    text += '\n';
  }
  if (!out.continuation.empty()) text += fmt::format("continuation: {}\n", fmt::join(out.continuation, ","));
  const auto rate = [](std::size_t n, double s) { return s > 0 ? static_cast<double>(n) / s : 0.0; };
  text += fmt::format("prefill {} tokens, {:.1f} tokens/s", out.ids.size(), rate(out.ids.size(), out.prefill_seconds));
  if (out.continuation.size() > 1)
    text += fmt::format("; decode {} tokens, {:.1f} tokens/s", out.continuation.size() - 1,
                        rate(out.continuation.size() - 1, out.decode_seconds));
  return text + "\n";
}

}  // namespace

int run_logits(const Arguments& arguments, const Surroundings& surroundings) {
  const Result<Outcome> out = run(arguments, surroundings);
  if (!out.ok()) return fail(fmt::format("no logits of {}", arguments.value("MODEL")), "logits", out.status(), surroundings.stderr_color);
  return finish(arguments.has("--json") ? json::dump(document(arguments, out.value()), 2) + "\n" : text_of(out.value()), surroundings);
}

}  // namespace jang::cli
