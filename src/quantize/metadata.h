// SPDX-License-Identifier: Apache-2.0
// The JSON files of a bundle: config.json with its quantization map, jang_config.json with the manifest, the index. docs/format.md is
// normative.
#pragma once

#include <string>
#include <vector>

#include "json/json.h"
#include "plan/layout.h"
#include "plan/plan.h"
#include "quantize/convert.h"

namespace jang::quantize {

// config.json: the model's config plus `quantization` (and its mirror `quantization_config`): default bits and group = the most common
// pair, then every quantized module by path, so that no reader ever guesses. The float type is updated where the bundle's differs from the
// source's.
[[nodiscard]] json::Value make_config(const arch::Model& model, const plan::Plan& plan);

// jang_config.json. `statistics`: those the plan used, may be null.
[[nodiscard]] json::Value make_jang_config(const Source& source, const plan::Plan& plan, const plan::Layout& layout,
                                           const plan::Sizes& sizes, const TensorErrors& errors, const format::Statistics* statistics);

// model.safetensors.index.json.
[[nodiscard]] json::Value make_index(const plan::Layout& layout, const plan::Sizes& sizes);

}  // namespace jang::quantize
