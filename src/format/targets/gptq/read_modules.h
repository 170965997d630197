// SPDX-License-Identifier: Apache-2.0
// Opening a directory of GPTQ's files, whoever wrote it. The shapes of a module say bits and group; quantization_config must say the same
// of that very module, and says how zero points are stored.
#pragma once

#include <vector>

#include "format/targets/bundle.h"
#include "jang/status.h"

namespace jang::targets::gptq {

[[nodiscard]] bool is_packed(const format::Checkpoint& checkpoint);
// Target::read: formats integer_zero; columns ordered by activations (g_idx) become values (qweight_modules.h). Errors: those of
// read_config; corrupt, unsupported (widths but 2, 3, 4 and 8: GPTQModel packs 5 to 7 bits in a way of its own).
[[nodiscard]] Status read_modules(format::Bundle* bundle);
// Target::check: a width for all modules that none has, linear maps that are neither packed nor left out, rules that name nothing.
void check_config(const format::Bundle& bundle, std::vector<format::Finding>* findings);

}  // namespace jang::targets::gptq
