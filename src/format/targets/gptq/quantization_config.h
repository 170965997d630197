// SPDX-License-Identifier: Apache-2.0
// config.json's quantization_config of GPTQ's files: one width and group for most modules, and `dynamic`, a map from regular expressions
// over module names, "+:" in front of what differs and "-:" in front of what is not packed.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "arch/arch.h"
#include "format/targets/name_patterns.h"
#include "format/targets/target.h"
#include "jang/status.h"
#include "json/json.h"

namespace jang::targets::gptq {

// How a module is packed.
struct Scheme {
  std::int64_t bits = 4, group_size = 128;  // group_size at most 0: one for all columns
};

// An entry of `dynamic`. The first whose expression matches a module's name decides, as GPTQModel and vLLM read them.
struct Rule {
  std::string text;              // as it stands there
  std::optional<Scheme> scheme;  // none: what matches is not packed ("-:")
};

struct Declared {
  Scheme whole;
  std::vector<Rule> rules;
  NamePatterns patterns;             // of the rules, in their order
  bool zeros_less_one = true;        // checkpoint_format "gptq"; false: "gptq_v2"
  bool by_activations = false;       // desc_act: g_idx says which group a column has
  bool symmetric = false;            // sym: every zero point is the middle code. Engines then read none
  std::optional<bool> packs_head{};  // lm_head, where it is said
};

// Errors: corrupt (not of that form), unsupported (other packings: marlin, words of other types; expressions that are not read).
[[nodiscard]] Result<Declared> read_config(const json::Value& config);
// The rule for a module; null: none, the scheme of the whole holds. Errors: those of NamePatterns.
[[nodiscard]] Result<const Rule*> rule_of(Declared* declared, const std::string& module);
// Null when nothing is packed. Expressions name modules as the files do, and as engines call them once they are fused.
[[nodiscard]] json::Value quantization_config(const arch::Model& model, std::span<const TensorRecord> tensors);

}  // namespace jang::targets::gptq
