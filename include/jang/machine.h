// SPDX-License-Identifier: Apache-2.0
// What this build and this machine offer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "jang/export.h"
#include "jang/status.h"

namespace jang {

// Of the library, "0.1.0".
[[nodiscard]] JANG_API std::string_view version();
// Architectures that can be converted, by the names of their families.
[[nodiscard]] JANG_API std::vector<std::string> families();

struct Backend {
  std::string name;        // "ref", "avx2", "avx512", "neon", "cuda": a value for RunOptions::backend and ModelOptions::backend
  bool available = false;  // on this machine
};

// An NVIDIA card.
struct Card {
  std::string name;
  int compute_major = 0, compute_minor = 0;  // compute capability
  int multiprocessors = 0;
  std::uint64_t memory_bytes = 0, free_bytes = 0;
};
// What the backend "cuda" finds.
struct CudaFacts {
  bool built_in = false;                    // this build has it
  std::string driver_supports, built_with;  // versions of CUDA, "13.0"; empty where there is none
  std::vector<Card> cards;                  // the first one is used
  std::string problem;                      // why no card can be used and what helps; empty when one can
};

struct MachineFacts {
  std::vector<Backend> backends;   // all that are built in: cards, then those of the processor, fastest first
  std::string chosen_backend;      // of these the one that is taken where none is named
  std::string processor;           // as the system names it; empty where it does not say
  int threads = 0;                 // usable by this process: what a thread count of 0 stands for
  std::uint64_t memory_bytes = 0;  // 0 where the system does not say
};
// Reads the system. Never fails. Thread safe.
[[nodiscard]] JANG_API MachineFacts machine_facts();

// Whether a backend of this name is built in and available here.
[[nodiscard]] JANG_API bool has_backend(std::string_view name);
// Ok where it is. Errors: unsupported (unknown, not built in, or an instruction set that the processor lacks), device (a card that cannot
// be used, with what helps).
[[nodiscard]] JANG_API Status check_backend(std::string_view name);

// NVIDIA cards and their driver. Asks the driver, which may take a tenth of a second. Never fails. Thread safe.
[[nodiscard]] JANG_API CudaFacts cuda_facts();

}  // namespace jang
