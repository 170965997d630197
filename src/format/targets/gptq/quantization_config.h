// SPDX-License-Identifier: Apache-2.0
// config.json's quantization_config of GPTQ's files: one width and group for most modules, and `dynamic`, a map from regular expressions
// over module names, "+:" in front of what differs and "-:" in front of what is not packed.
#pragma once

#include <set>
#include <span>

#include "arch/arch.h"
#include "format/targets/target.h"
#include "jang/status.h"
#include "json/json.h"

namespace jang::targets::gptq {

struct Declared {
  std::set<int> bits;             // of the whole and of `dynamic`
  std::set<std::int64_t> groups;  // likewise; -1: one for all columns
  bool zeros_less_one = true;     // checkpoint_format "gptq"; false: "gptq_v2"
  bool by_activations = false;    // desc_act: g_idx says which group a column has
};

// Errors: corrupt (not of that form), unsupported (other packings: marlin, words of other types).
[[nodiscard]] Result<Declared> read_config(const json::Value& config);
// Null when nothing is packed. Expressions name modules as the files do, and as engines call them once they are fused.
[[nodiscard]] json::Value quantization_config(const arch::Model& model, std::span<const TensorRecord> tensors);

}  // namespace jang::targets::gptq
