// SPDX-License-Identifier: Apache-2.0
// Whether the files of a model directory that are about text can be used: the tokenizer is read, every chat template compiled.
#pragma once

#include <string>
#include <vector>

#include "format/targets/bundle.h"
#include "format/targets/target.h"

namespace jang::engine {

// Errors: files that are Git LFS pointers or broken. Warnings: what is missing, and what other loaders read but this one does not.
// `target`: whose loaders are to read them.
[[nodiscard]] std::vector<format::Finding> check_text(const std::string& directory, const targets::Target& target);

}  // namespace jang::engine
