// SPDX-License-Identifier: Apache-2.0
// JANG_CHECK: our own bugs end the program with a message; outside data never reaches one (it gets a Status).
#pragma once

#include <cstdio>
#include <cstdlib>

#define JANG_CHECK(cond)                                                                \
  do {                                                                                  \
    if (!(cond)) [[unlikely]] {                                                         \
      std::fprintf(stderr, "internal error: %s at %s:%d\n", #cond, __FILE__, __LINE__); \
      std::abort();                                                                     \
    }                                                                                   \
  } while (0)
