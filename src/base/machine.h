// SPDX-License-Identifier: Apache-2.0
// Facts of the machine that figures are reported with. Read from the system; what it does not say is empty or 0.
#pragma once

#include <cstdint>
#include <string>

namespace jang {

// "AMD EPYC 7B13", as the system names it, control characters and all.
[[nodiscard]] std::string processor_name();
[[nodiscard]] std::uint64_t physical_memory_bytes();
// Processor time of all threads of this process so far, its own and the system's for it.
[[nodiscard]] double process_cpu_seconds();
// Memory of this process that is in RAM now.
[[nodiscard]] std::uint64_t resident_bytes();

}  // namespace jang
