// SPDX-License-Identifier: Apache-2.0
// What generation takes and gives, as plain values: how a token is drawn, where an answer ends, how fast it was.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "jang/export.h"

namespace jang {

// From logits to the next token, in this order: penalties, top_k, top_p, min_p, temperature, draw. Names and defaults are llama.cpp's.
// Seeded runs repeat: the same options and logits give the same tokens.
struct SamplingOptions {
  double temperature = 0.8;     // <= 0: the likeliest token, nothing is drawn
  std::int32_t top_k = 40;      // <= 0: all
  double top_p = 0.95;          // 1: all
  double min_p = 0.05;          // 0: all
  double repeat_penalty = 1.0;  // 1: none
  double presence_penalty = 0.0;
  double frequency_penalty = 0.0;
  std::int32_t repeat_last_n = 64;  // tokens that the penalties look back at; 0: none, -1: all
  std::uint64_t seed = 0;
};

struct AnswerLimits {
  std::int64_t max_tokens = -1;  // -1: until the text ends or the context is full
  bool ignore_end = false;       // goes on behind tokens that end a text
};

enum class StoppedBy : std::uint8_t {
  end,        // the model ended its text
  length,     // max_tokens
  context,    // prompt and answer fill the context
  interrupt,  // the cancel flag, or the receiver of the text
};
// "end", "length", "context", "interrupt".
[[nodiscard]] JANG_API std::string_view to_string(StoppedBy reason);

struct Answer {
  std::string text;  // what the ids add to the text of the prompt: it may begin with a space
  std::vector<std::int32_t> ids;
  StoppedBy stopped_by = StoppedBy::end;
};

struct Timings {
  std::int64_t prompt_tokens = 0, reused_tokens = 0, generated_tokens = 0;  // prompt_tokens: those computed
  double prompt_seconds = 0, generation_seconds = 0;
};

}  // namespace jang
