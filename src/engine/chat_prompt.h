// SPDX-License-Identifier: Apache-2.0
// From messages to the token ids of a prompt: the model's chat template rendered, then tokenized so that the text of a message cannot
// become a control token.
//
// Control tokens are the tokenizer's special tokens and those added tokens that the template's source mentions (<think>, <tool_call>), as
// in transformers' sanitize_control_tokens. The template's text must hold their first and last byte; in between may stand whole values, as
// in '<|' + message.role + '|>'. So a caller that passes on roles from elsewhere passes on control tokens: roles must come from a list.
#pragma once

#include <cstdint>
#include <vector>

#include "jang/status.h"
#include "json/json.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace jang::engine {

// `variables`: messages, add_generation_prompt, tools, ... Nothing is put in front: the template writes the begin token where there is
// one. Control tokens spelled by the template are control tokens; spelled inside a message, a name or a tool they are plain text. Where no
// message spells one, the ids are those of the rendered text. Errors: those of rendering and encoding.
[[nodiscard]] Result<std::vector<std::int32_t>> chat_tokens(const text::Tokenizer& tokenizer, const text::ChatTemplate& chat_template,
                                                            const json::Value& variables, const text::Moment& now);

}  // namespace jang::engine
