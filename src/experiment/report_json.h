// SPDX-License-Identifier: Apache-2.0
// A comparison as a document.
#pragma once

#include "jang/compare.h"
#include "json/json.h"

namespace jang::experiment {

// `model`, `text`, `facts`, `models` (one object per row: sizes, keys of divergence.h, `mmlu` with keys of items.h, speeds, `bits` by class
// and layer), `frontier` (names). The caller adds schema_version and what it knows.
[[nodiscard]] json::Value to_json(const CompareReport& report);

}  // namespace jang::experiment
