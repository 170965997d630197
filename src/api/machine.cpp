// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "jang/machine.h"

#include "arch/arch.h"
#include "arch/registry.h"
#include "base/machine.h"
#include "base/thread_pool.h"
#include "kernels/accelerators.h"
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
  if (const kernels::Accelerators cuda = kernels::cuda_accelerators(); cuda.built_in)
    facts.backends.push_back({"cuda", cuda.problem.empty()});
  for (const kernels::InstructionSet& set : kernels::instruction_sets()) facts.backends.push_back({std::string(set.name), set.available()});
  if (const kernels::InstructionSet* chosen = kernels::find_instruction_set()) facts.chosen_backend = chosen->name;
  facts.processor = processor_name();
  facts.threads = available_threads();
  facts.memory_bytes = physical_memory_bytes();
  return facts;
}

CudaFacts cuda_facts() {
  const kernels::Accelerators found = kernels::cuda_accelerators();
  const auto version = [](int v) { return v == 0 ? std::string() : std::to_string(v / 1000) + "." + std::to_string(v % 1000 / 10); };
  CudaFacts facts;
  facts.built_in = found.built_in;
  facts.driver_supports = version(found.driver);
  facts.built_with = version(found.runtime);
  facts.problem = found.problem;
  for (const kernels::AcceleratorCard& c : found.cards)
    facts.cards.push_back({c.name, c.major, c.minor, c.multiprocessors, c.memory_bytes, c.free_bytes});
  return facts;
}

Status check_backend(std::string_view name) {
  if (kernels::find_instruction_set(name) != nullptr) return {};
  const std::string what = "backend " + std::string(name) + " is not available on this machine";
  if (name != "cuda") return {StatusCode::unsupported, what + "; `jang doctor` lists those that are"};
  const kernels::Accelerators found = kernels::cuda_accelerators();
  if (found.problem.empty()) return {};
  return {found.built_in ? StatusCode::device : StatusCode::unsupported, what + ": " + found.problem};
}

bool has_backend(std::string_view name) { return check_backend(name).ok(); }

}  // namespace jang
