// SPDX-License-Identifier: Apache-2.0
// The tables of convert, plan, estimate and inspect.
#pragma once

#include <string>
#include <vector>

#include "cli/json.h"
#include "jang/report.h"

namespace jang::cli {

// Columns padded to their widest cell, the last one as it is; the first row is the heading.
[[nodiscard]] std::string columns_text(const std::vector<std::vector<std::string>>& rows, bool color);
// Two-column block of sizes, indented by two spaces.
[[nodiscard]] std::string sizes_text(const ModelReport& report);
// Tensors, weights and bytes by (bits, group size), with bars.
[[nodiscard]] std::string histogram_text(const ModelReport& report, bool color);
// One line per tensor.
[[nodiscard]] std::string tensors_text(const ModelReport& report, bool color);

}  // namespace jang::cli
