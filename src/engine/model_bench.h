// SPDX-License-Identifier: Apache-2.0
// Speed of a whole model, test by test as llama-bench has them: ppN reads N tokens of prompt into an empty context, tgN generates N tokens
// one by one behind a begin token. Tokens are arbitrary: the time does not depend on them, except through which experts they choose.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "engine/engine.h"
#include "jang/bench.h"
#include "jang/status.h"

namespace jang::engine {

struct ModelBenchOptions {
  std::int64_t n_prompt = 512, n_generate = 128;  // 0: leave the test out
  int repetitions = 5;                            // behind one that is not counted
  std::optional<kernels::KvType> kv_type{};       // of the cache, where it is to be another than the engine's
};

using jang::ModelBench;
using jang::ModelBenchRow;

// Errors: those of Engine::forward and logits; cancelled.
[[nodiscard]] Result<ModelBench> bench_model(Engine& engine, const ModelBenchOptions& options, const CancelFlag* cancel);

}  // namespace jang::engine
