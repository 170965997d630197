// SPDX-License-Identifier: Apache-2.0
// Opening a directory of the method humming, whoever wrote it. Shapes and types of a module must be those of the scheme that
// quantization_config has for it.
#pragma once

#include <vector>

#include "format/targets/bundle.h"
#include "jang/status.h"

namespace jang::targets::humming {

// quantization_config names humming, and there are packed weights.
[[nodiscard]] bool is_packed(const format::Checkpoint& checkpoint);
// Target::read: formats float_zero, integer_zero and symmetric. Errors: those of ModuleSchemes; corrupt (a part missing, shapes and types
// that are not the scheme's, packed modules that are left out), unsupported (widths and groups that no codec has).
[[nodiscard]] Status read_modules(format::Bundle* bundle);
// Target::check: entries that name no module.
void check_config(const format::Bundle& bundle, std::vector<format::Finding>* findings);

}  // namespace jang::targets::humming
