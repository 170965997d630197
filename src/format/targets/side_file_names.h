// SPDX-License-Identifier: Apache-2.0
// Which files of a source the targets so far carry along beside the weights: everything that AutoTokenizer, a processor or a generation
// config reads.
#pragma once

#include <string_view>

#include "format/targets/target.h"

namespace jang::targets {

// *.py (a tokenizer or a model of its own needs its code; nothing here runs it), *.jinja, *.model, *.tiktoken, *.json except what is
// written anew or speaks of the old weights, vocabularies and licences by name.
[[nodiscard]] Copying copied_by_name(std::string_view file_name);
// The files that say how images and sound become inputs of a tower.
[[nodiscard]] bool is_of_processor(std::string_view file_name);

}  // namespace jang::targets
