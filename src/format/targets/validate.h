// SPDX-License-Identifier: Apache-2.0
// Every check of a finished directory that can be made without its source.
#pragma once

#include <string>
#include <vector>

#include "format/targets/bundle.h"
#include "jang/status.h"

namespace jang::format {

struct ValidateOptions {
  bool deep = false;  // read every float there is; otherwise those of packed modules, norms and biases
};

// Everything wrong with a directory; empty = valid. Checks: files against index (both ways, total_size), files that came along, planes and
// shapes, the target's documents against the tensors, and that values are finite. Files about text are engine::check_text's. A directory
// that cannot be opened at all is an error Status; faults inside are findings.
[[nodiscard]] Result<std::vector<Finding>> validate(const std::string& path, const ValidateOptions& options);

}  // namespace jang::format
