// SPDX-License-Identifier: Apache-2.0
// What this build and this machine offer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "jang/export.h"

namespace jang {

// Of the library, "0.1.0".
[[nodiscard]] JANG_API std::string_view version();
// Architectures that can be converted, by the names of their families.
[[nodiscard]] JANG_API std::vector<std::string> families();

struct Backend {
  std::string name;        // "ref", "avx2", "avx512", "neon": a value for RunOptions::backend and ModelOptions::backend
  bool available = false;  // on this machine
};

struct MachineFacts {
  std::vector<Backend> backends;   // all that are built in, fastest first
  std::string chosen_backend;      // of these the one that is taken where none is named
  std::string processor;           // as the system names it; empty where it does not say
  int threads = 0;                 // usable by this process: what a thread count of 0 stands for
  std::uint64_t memory_bytes = 0;  // 0 where the system does not say
};
// Reads the system. Never fails. Thread safe.
[[nodiscard]] JANG_API MachineFacts machine_facts();

// Whether a backend of this name is built in and available here.
[[nodiscard]] JANG_API bool has_backend(std::string_view name);

}  // namespace jang
