// SPDX-License-Identifier: Apache-2.0
// config.json's quantization_config: one group for every scheme (bits, group size, symmetric) with the modules it is for, as regular
// expressions over module names with the layers listed, and the linear modules that are not packed. Fields of compressed-tensors 0.17.
#pragma once

#include <compare>
#include <span>
#include <string>
#include <vector>

#include "arch/arch.h"
#include "format/targets/target.h"
#include "jang/status.h"
#include "json/json.h"

namespace jang::targets::compressed_tensors {

struct Scheme {
  int bits = 0, group_size = 0;
  bool symmetric = false;
  friend auto operator<=>(const Scheme&, const Scheme&) = default;
};

struct SchemeGroup {
  Scheme scheme;
  std::vector<std::string> targets;
};

// Weight-only integers by groups along the row. Errors: corrupt (not of that form), unsupported (activations, floats, other strategies,
// order by activations, sparsity, transforms).
[[nodiscard]] Result<std::vector<SchemeGroup>> read_groups(const json::Value& config);
// "4 bits, group 128, symmetric".
[[nodiscard]] std::string describe(const Scheme& scheme);

// Module names with their layer and expert numbers as few regular expressions ("re:..."), or the name itself where it has no number.
[[nodiscard]] std::vector<std::string> patterns(const std::vector<std::string>& modules);
[[nodiscard]] json::Value quantization_config(const arch::Model& model, std::span<const TensorRecord> tensors);

}  // namespace jang::targets::compressed_tensors
