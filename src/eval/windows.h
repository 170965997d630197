// SPDX-License-Identifier: Apache-2.0
// How a stream of tokens is cut into windows and which tokens of them are scored: the protocols of perplexity. Values of different
// protocols never compare.
//
//   windows     (ours) windows of ctx that do not overlap, every token but each window's first scored, an incomplete last window dropped
//   gptq        the same with ctx 2048: the protocol of the GPTQ and AWQ papers
//   llama.cpp   the same windows; only the second half of each is scored, and a begin token, where the tokenizer adds one, takes the place
//   of
//               each window's first token
//   sliding     windows start every `stride` tokens and each token is scored once, in the first window that reaches it: strided evaluation
//   as
//               in the transformers documentation; the last window may be short
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "jang/status.h"

namespace jang::eval {

struct Protocol {
  std::string name = "windows";
  std::int64_t ctx = 512;
  std::int64_t stride = 512;     // distance between the starts of windows
  bool second_half = false;      // score only the second half of each window
  bool begin_each = false;       // the begin token, if the tokenizer adds one, replaces each window's first token
  bool keep_incomplete = false;  // a short last window counts
};

inline constexpr std::int64_t kMaxContext = 1 << 20;

// Names in the order they are shown.
[[nodiscard]] std::span<const std::string_view> protocol_names();
// The protocol with its own context and stride, or those given. Errors: invalid_argument (name, with the known ones; ctx outside
// [2, kMaxContext]; a stride that the protocol does not take, or outside [1, ctx)).
[[nodiscard]] Result<Protocol> make_protocol(std::string_view name, std::optional<std::int64_t> ctx, std::optional<std::int64_t> stride);

// Tokens [begin, begin + n_tokens) of the stream; scored are those from `first_scored` of the window on, each by the tokens before it.
struct Window {
  std::int64_t begin = 0, n_tokens = 0;
  std::int64_t first_scored = 1;
  [[nodiscard]] std::int64_t n_scored() const { return n_tokens - first_scored; }
};

// Windows of a stream of n tokens, in order. Errors: invalid_argument when there is not one.
[[nodiscard]] Result<std::vector<Window>> make_windows(std::int64_t n_tokens, const Protocol& protocol);

}  // namespace jang::eval
