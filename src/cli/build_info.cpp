// SPDX-License-Identifier: Apache-2.0
// Versions as the headers of this build state them; the library's is its own.
#include "cli/build_info.h"

#include <fmt/format.h>
#include <xxhash.h>
#include <CLI/Version.hpp>
#include <nlohmann/json.hpp>

#include "jang/machine.h"

namespace jang::cli {
namespace {

std::string compiler() {
#if defined(__clang__)
  return fmt::format("clang {}.{}.{}", __clang_major__, __clang_minor__, __clang_patchlevel__);
#else
  return fmt::format("gcc {}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
}

}  // namespace

BuildInfo build_info() {
  BuildInfo info{std::string(jang::version()), JANG_COMMIT, compiler(), {}};
  info.libraries = {
      {"CLI11", CLI11_VERSION},
      {"fmt", fmt::format("{}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100)},
      {"nlohmann_json", fmt::format("{}.{}.{}", NLOHMANN_JSON_VERSION_MAJOR, NLOHMANN_JSON_VERSION_MINOR, NLOHMANN_JSON_VERSION_PATCH)},
      {"xxHash", fmt::format("{}.{}.{}", XXH_VERSION_MAJOR, XXH_VERSION_MINOR, XXH_VERSION_RELEASE)},
  };
  return info;
}

}  // namespace jang::cli
