// SPDX-License-Identifier: Apache-2.0
// What a model's tensors are, or are to become: what planning, converting and inspecting report.
//
// Three sizes, always: code bits (mean width of quantized weights), stored bits (payload bits per weight, scales, biases and unquantized
// tensors counted), file bytes (safetensors files, headers included).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "jang/export.h"

namespace jang {

struct TensorReport {
  std::string name;
  std::optional<std::string> role, tier, rule;
  int bits = 0;        // of a code; of an element where nothing is quantized
  int group_size = 0;  // 0: not quantized
  std::uint64_t params = 0, bytes = 0;
  std::optional<double> error;  // squared error over squared norm, where it was measured
};

struct ModelReport {
  std::optional<std::string> profile, method;
  std::uint64_t params = 0;
  double code_bits = 0, stored_bits = 0;
  std::uint64_t file_bytes = 0;
  std::vector<TensorReport> tensors;
};

// Mean of the tensors' errors weighted by their number of weights; nullopt when none was measured.
[[nodiscard]] JANG_API std::optional<double> mean_error(const ModelReport& report);

// The report as a JSON object: profile, method, params, code_bits, stored_bits, file_bytes, mean_error, tensors.
[[nodiscard]] JANG_API std::string to_json(const ModelReport& report);

}  // namespace jang
