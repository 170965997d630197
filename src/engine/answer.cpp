// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "engine/answer.h"

#include <optional>

namespace jang {

std::string_view to_string(StoppedBy reason) {
  switch (reason) {
    case StoppedBy::end: return "end";
    case StoppedBy::length: return "length";
    case StoppedBy::context: return "context";
    case StoppedBy::interrupt: return "interrupt";
  }
  return "unknown";
}

}  // namespace jang

namespace jang::engine {
namespace {

// Why no further token is drawn, nullopt while there is no reason.
std::optional<StoppedBy> limit_reached(const Generator& generator, const Answer& answer, const AnswerLimits& limits, std::int64_t context,
                                       const CancelFlag* cancel) {
  if (limits.max_tokens >= 0 && static_cast<std::int64_t>(answer.ids.size()) >= limits.max_tokens) return StoppedBy::length;
  if (static_cast<std::int64_t>(generator.tokens().size()) >= context) return StoppedBy::context;
  if (cancel != nullptr && cancel->load(std::memory_order_relaxed)) return StoppedBy::interrupt;
  return std::nullopt;
}

}  // namespace

Result<Answer> stream_answer(Generator& generator, const text::Tokenizer& tokenizer, const AnswerLimits& limits, std::int64_t context,
                             const CancelFlag* cancel, const std::function<bool(std::string_view)>& emit) {
  Answer answer;
  text::Detokenizer detokenizer(tokenizer);
  detokenizer.start_behind(generator.tokens());
  std::optional<StoppedBy> stopped;
  while (!stopped) {
    stopped = limit_reached(generator, answer, limits, context, cancel);
    if (stopped) break;
    JANG_ASSIGN(const std::int32_t id, generator.next());
    answer.ids.push_back(id);
    if (generator.is_end(id) && !limits.ignore_end) {
      stopped = StoppedBy::end;
      break;
    }
    const std::string piece = detokenizer.push(id);
    answer.text += piece;
    if (!piece.empty() && !emit(piece)) stopped = StoppedBy::interrupt;
  }
  const std::string rest = detokenizer.flush();
  answer.text += rest;
  if (!rest.empty()) (void)emit(rest);
  answer.stopped_by = *stopped;
  return answer;
}

}  // namespace jang::engine
