// SPDX-License-Identifier: Apache-2.0
// What a model directory holds, and whether it is sound.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "jang/export.h"
#include "jang/report.h"
#include "jang/status.h"

namespace jang {

struct Inspection {
  std::string path;
  bool quantized = false;
  std::string model_type;  // of config.json; may be empty
  std::size_t n_files = 0;
  ModelReport report;  // tensors by name; role and rule where they are known
  std::vector<std::string> warnings;
};
// A source checkpoint or a bundle. Reads headers and configuration only. Errors: not_found, corrupt, io.
[[nodiscard]] JANG_API Result<Inspection> inspect_model(const std::string& directory, bool lenient = false);

enum class Severity : std::uint8_t { error, warning };
[[nodiscard]] JANG_API std::string_view to_string(Severity severity);

struct Finding {
  Severity severity = Severity::error;
  std::string where;  // tensor, file or key
  std::string message;
};
// Every check of a bundle that needs no source; empty: valid. `deep` reads the large float tensors too. Errors: a directory that cannot be
// opened at all; faults inside are findings.
[[nodiscard]] JANG_API Result<std::vector<Finding>> validate_model(const std::string& directory, bool deep = false);

}  // namespace jang
