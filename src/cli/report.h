// SPDX-License-Identifier: Apache-2.0
// What convert, plan and inspect report: one structure, one JSON document, one set of tables.
//
// Three sizes, always: code bits (mean width of quantized weights), stored bits (payload bits per weight, scales, biases and unquantized
// tensors counted), file bytes (safetensors files, headers included). `error` = squared error over squared norm of a tensor.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "json/json.h"
#include "plan/layout.h"
#include "plan/plan.h"

namespace jang::cli {

inline constexpr int kSchemaVersion = 1;

struct TensorRow {
  std::string name;
  std::optional<std::string> role, tier, rule;
  int bits = 0;        // of a code; of an element where nothing is quantized
  int group_size = 0;  // 0: not quantized
  std::uint64_t params = 0, bytes = 0;
  std::optional<double> error;
};

struct Report {
  std::optional<std::string> profile, method;
  std::uint64_t params = 0;
  double code_bits = 0, stored_bits = 0;
  std::uint64_t file_bytes = 0;
  std::vector<TensorRow> tensors;
};

// `errors` in the order of the model's tensors, or empty.
[[nodiscard]] Report plan_report(const arch::Model& model, const plan::Plan& plan, const plan::Sizes& sizes,
                                 const std::vector<std::optional<double>>& errors);

// Mean of the tensors' errors weighted by their number of weights; nullopt when none was measured.
[[nodiscard]] std::optional<double> mean_error(const Report& report);

// Document with the shared keys and `mean_error`.
[[nodiscard]] json::Value to_json(const Report& report);
// The plan's own document with the errors of `report` filled in: what plan and convert print, and what `convert --plan` takes.
// Precondition: `report` was made from this plan.
[[nodiscard]] json::Value plan_document(const arch::Model& model, const plan::Plan& plan, const Report& report);

// Two-column block of sizes, indented by two spaces.
[[nodiscard]] std::string sizes_text(const Report& report);
// Tensors, weights and bytes by (bits, group size), with bars.
[[nodiscard]] std::string histogram_text(const Report& report, bool color);
// One line per tensor.
[[nodiscard]] std::string tensors_text(const Report& report, bool color);

}  // namespace jang::cli
