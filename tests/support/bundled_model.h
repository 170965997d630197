// SPDX-License-Identifier: Apache-2.0
// What tests find in every checkout: a model that runs, and a text.
#pragma once

#include <string>

#include "paths.h"

namespace jang::test {

inline const std::string kBundledModel = source_dir() + "/examples/gutenberg-moe-9m";
inline const std::string kBundledText = source_dir() + "/LICENSE";

}  // namespace jang::test
