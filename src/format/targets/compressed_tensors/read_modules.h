// SPDX-License-Identifier: Apache-2.0
// Opening a directory of packed modules, whoever wrote it. The shapes of a module say bits and group; quantization_config must declare
// them.
#pragma once

#include <vector>

#include "format/targets/bundle.h"
#include "jang/status.h"

namespace jang::targets::compressed_tensors {

// quantization_config names compressed-tensors, and there are packed weights.
[[nodiscard]] bool is_packed(const format::Checkpoint& checkpoint);
// Target::read: formats integer_zero and symmetric, of which the plane of zero points is in the files' form (codec/column_codes.h).
// Errors: corrupt (a part missing, shapes that do not belong together, a scheme that is not declared), unsupported (read_groups; widths
// and groups that no codec has; codes padded to whole words, as compressed-tensors packed 3, 5, 6 and 7 bits before release 0.18).
[[nodiscard]] Status read_modules(format::Bundle* bundle);
// Target::check: linear maps that are neither packed nor left out, entries that name no module.
void check_config(const format::Bundle& bundle, std::vector<format::Finding>* findings);

}  // namespace jang::targets::compressed_tensors
