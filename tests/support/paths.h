// SPDX-License-Identifier: Apache-2.0
// Where the tests are: fixtures lie in the source tree, the program in the build tree. Only paths.cpp is compiled with these paths, so that
// a compiler cache serves every checkout.
#pragma once

#include <string>

namespace jang::test {

[[nodiscard]] std::string source_dir();
[[nodiscard]] std::string binary_dir();

}  // namespace jang::test
