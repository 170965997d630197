// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "jang/machine.h"

#include "arch/arch.h"
#include "arch/registry.h"
#include "base/machine.h"
#include "base/thread_pool.h"
#include "kernels/instruction_set.h"

namespace jang {

std::string_view version() { return JANG_VERSION; }

std::vector<std::string> families() {
  std::vector<std::string> names;
  for (const std::string_view name : arch::families()) names.emplace_back(name);
  return names;
}

MachineFacts machine_facts() {
  MachineFacts facts;
  for (const kernels::InstructionSet& set : kernels::instruction_sets()) facts.backends.push_back({std::string(set.name), set.available()});
  if (const kernels::InstructionSet* chosen = kernels::find_instruction_set()) facts.chosen_backend = chosen->name;
  facts.processor = processor_name();
  facts.threads = available_threads();
  facts.memory_bytes = physical_memory_bytes();
  return facts;
}

bool has_backend(std::string_view name) { return kernels::find_instruction_set(name) != nullptr; }

}  // namespace jang
