// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "paths.h"

namespace jang::test {

std::string source_dir() { return JANG_SOURCE_DIR; }
std::string binary_dir() { return JANG_BINARY_DIR; }

}  // namespace jang::test
