// SPDX-License-Identifier: Apache-2.0
// Our own bugs end the program with a message; what users type and files hold never reaches this.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <source_location>

namespace jang::cli {

inline void check(bool holds, const std::source_location& where = std::source_location::current()) {
  if (holds) return;
  std::fprintf(stderr, "internal error at %s:%u\n", where.file_name(), static_cast<unsigned>(where.line()));
  std::abort();
}

}  // namespace jang::cli
