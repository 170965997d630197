// SPDX-License-Identifier: Apache-2.0
// From messages to the token ids of a prompt: the model's chat template rendered, then tokenized so that the text of a message cannot
// become a control token.
#pragma once

#include <cstdint>
#include <vector>

#include "jang/status.h"
#include "json/json.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace jang::engine {

// `variables`: messages, add_generation_prompt, tools, ... Nothing is put in front: the template writes the begin token where there is
// one. Special tokens spelled by the template are special; spelled inside a message they are plain text. Errors: those of rendering and
// encoding.
[[nodiscard]] Result<std::vector<std::int32_t>> chat_tokens(const text::Tokenizer& tokenizer, const text::ChatTemplate& chat_template,
                                                            const json::Value& variables, const text::Moment& now);

}  // namespace jang::engine
