// SPDX-License-Identifier: Apache-2.0
// Writing `dynamic` of a quantization_config: regular expressions over names of modules, "+:" in front of those that are packed otherwise
// than the whole, "-:" in front of those that are not packed. GPTQModel and vLLM read it for the methods gptq and humming. An engine asks
// by the name of the map that it fuses a module into, other readers by the module's own, so that both are written.
#pragma once

#include <string>
#include <vector>

#include "arch/arch.h"
#include "json/json.h"

namespace jang::targets {

// Adds the name of a linear map, and what engines call what they fuse it into.
void add_rule_names(const arch::OutTensor& tensor, std::vector<std::string>* names);
// Adds the entries of these names to the object `dynamic`. `sign`: "+:" or "-:".
void add_rules(const std::string& sign, const std::vector<std::string>& names, const json::Value& rule, json::Value* dynamic);

}  // namespace jang::targets
