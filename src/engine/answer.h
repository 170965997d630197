// SPDX-License-Identifier: Apache-2.0
// The loop of an answer: tokens are drawn behind a prompt until the text ends or a limit is reached, and told as text that is certain.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "base/log.h"
#include "engine/generator.h"
#include "jang/generation.h"
#include "jang/status.h"
#include "text/tokenizer.h"

namespace jang::engine {

using jang::Answer;
using jang::AnswerLimits;
using jang::StoppedBy;

// Generates behind the generator's prompt. `context`: tokens of prompt and answer together. `emit` gets text as it becomes certain,
// complete characters only, and says whether to go on. Errors: those of Generator::next.
[[nodiscard]] Result<Answer> stream_answer(Generator& generator, const text::Tokenizer& tokenizer, const AnswerLimits& limits,
                                           std::int64_t context, const CancelFlag* cancel,
                                           const std::function<bool(std::string_view)>& emit);

}  // namespace jang::engine
