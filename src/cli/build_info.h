// SPDX-License-Identifier: Apache-2.0
// Facts fixed at build time: version and commit (given by CMake), compiler, libraries.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace jang::cli {

struct BuildInfo {
  std::string version, commit, compiler;
  std::vector<std::pair<std::string, std::string>> libraries;  // name, version
};
[[nodiscard]] BuildInfo build_info();

}  // namespace jang::cli
