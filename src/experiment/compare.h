// SPDX-License-Identifier: Apache-2.0
// Recipes compared on one model: bundles made where missing, all measured on the same tokens and the same questions, the source read once
// for as many of them as fit in memory together.
//
// Everything expensive is kept in the work directory under a fingerprint of what it depends on (source, recipe, program, text, protocol,
// arithmetic), so an interrupted comparison goes on where it was, and one more recipe costs only that recipe:
//
//   WORK/bundles/   see bundles.h
//   WORK/scores/<model>-<fingerprint>.jsonl   windows scored so far (score_log.h)
//   WORK/tasks/<model>-<fingerprint>.jsonl    questions answered so far (items.h)
//   WORK/speed/<model>-<fingerprint>.json     speed and memory
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/log.h"
#include "engine/engine.h"
#include "eval/mmlu.h"
#include "eval/windows.h"
#include "experiment/bundles.h"
#include "experiment/recipe.h"
#include "experiment/report.h"
#include "jang/compare.h"
#include "jang/status.h"

namespace jang::experiment {

struct CompareOptions {
  std::string source;  // directory
  std::string work;    // created when missing
  std::vector<Recipe> recipes;
  std::string text;             // file
  std::int64_t max_tokens = 0;  // 0: all
  eval::Protocol protocol;
  std::string mmlu;  // directory, "" = none
  eval::MmluSubset subset = eval::MmluSubset::first_200;
  int shots = 0;
  bool speed = true;
  engine::LoadOptions load;      // threads, backend, arithmetic of the measurements; speed is always that of the fast kernels
  std::uint64_t open_bytes = 0;  // weight files open side by side, at most, the source among them; 0: no limit. One recipe always fits
  std::string tool;              // version and commit
  GgufTools gguf;                // for recipes that name a type of GGUF
  quantize::RunOptions run;      // of conversions; observer and cancel flag are those of the whole comparison
};

// Errors: those of reading, converting, loading and running; cancelled.
[[nodiscard]] Result<CompareReport> compare(const CompareOptions& options);

}  // namespace jang::experiment
