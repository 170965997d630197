// SPDX-License-Identifier: Apache-2.0
// The logits of given tokens, and the greedy continuation behind them: for comparing a model, or this engine, with others.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "jang/export.h"
#include "jang/model.h"
#include "jang/observer.h"
#include "jang/status.h"

namespace jang {

struct TokenLogit {
  std::int32_t id = 0;
  float logit = 0;
};

struct LogitsOptions {
  std::int64_t n_continuation = 0;  // tokens to go on with, each the likeliest one
  std::size_t n_best = 5;           // best tokens told per position
  // A safetensors file to write, which must not exist: "logits" F32 [n, vocab] of the given ids, "ids" I64 [n], "continuation" I64 [N].
  // Empty: none. A file that was begun and not finished is removed.
  std::string output = {};
  Observer* observer = nullptr;  // info() tells when an automatic cache had to be widened; may be null
};

struct LogitsReport {
  std::vector<std::vector<TokenLogit>> best;  // by position of the ids, best first
  std::vector<std::int32_t> continuation;
  double prompt_seconds = 0, continuation_seconds = 0;
};

// Time and memory are those of a prompt of this length; 32 rows of logits are held at a time. Errors: invalid_argument (no ids, an id out
// of the vocabulary), corrupt (a model whose numbers broke down), out_of_memory, write errors.
[[nodiscard]] JANG_API Result<LogitsReport> compute_logits(const Model& model, std::span<const std::int32_t> ids,
                                                           const LogitsOptions& options = {});

}  // namespace jang
