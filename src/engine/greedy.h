// SPDX-License-Identifier: Apache-2.0
// The logits of given tokens and the greedy continuation, without sampler or tokenizer: what comparisons with other engines need.
#pragma once

#include <cstdint>
#include <span>

#include "engine/engine.h"
#include "jang/logits.h"
#include "jang/status.h"

namespace jang::engine {

using jang::LogitsOptions;
using jang::LogitsReport;
using jang::TokenLogit;

// See compute_logits of jang/logits.h. `kv_type`: of the cache, where it is to be another than the engine's.
[[nodiscard]] Result<LogitsReport> greedy_logits(Engine& engine, std::span<const std::int32_t> ids, const LogitsOptions& options,
                                                 std::optional<kernels::KvType> kv_type);

}  // namespace jang::engine
