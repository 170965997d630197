// SPDX-License-Identifier: Apache-2.0
// What a machine has beside its processor, as plain facts for reports.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace jang::kernels {

struct AcceleratorCard {
  std::string name;
  int major = 0, minor = 0;  // compute capability
  int multiprocessors = 0;
  std::uint64_t memory_bytes = 0, free_bytes = 0;
};

// Of one backend.
struct Accelerators {
  bool built_in = false;        // this build has the backend
  int driver = 0, runtime = 0;  // CUDA versions as 1000 * major + 10 * minor: what the driver supports and what was built with; 0: none
  std::vector<AcceleratorCard> cards;
  std::string problem;  // why no card can be used and what helps; empty when one can
};

// NVIDIA cards. Asks the driver, which may take a tenth of a second where there is one. Never fails.
[[nodiscard]] Accelerators cuda_accelerators();

}  // namespace jang::kernels
