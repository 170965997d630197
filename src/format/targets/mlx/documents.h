// SPDX-License-Identifier: Apache-2.0
// The JSON files of a bundle: config.json with its quantization map, jang_config.json with the manifest, the index; and the checks of a
// finished directory against them. docs/format.md is normative.
#pragma once

#include <vector>

#include "format/targets/layout.h"
#include "format/targets/target.h"

namespace jang::targets::mlx {

// Target::documents: the index, jang_config.json, config.json.
[[nodiscard]] std::vector<Document> documents(const Record& record);

// Target::check: config.json's quantization and jang_config.json's manifest against the tensors.
void check_documents(const format::Bundle& bundle, std::vector<format::Finding>* findings);

}  // namespace jang::targets::mlx
