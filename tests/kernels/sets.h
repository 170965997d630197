// SPDX-License-Identifier: Apache-2.0
// The instruction sets of this machine, as tests of kernels walk them.
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

#include "kernels/instruction_set.h"

namespace jang::kernels {

// Row ops with the name of their set.
struct NamedOps : Ops {
  std::string_view name;
};

// Those available here, fastest first, "ref" last.
inline const std::vector<const NamedOps*>& op_tables() {
  static const std::vector<NamedOps> tables = [] {
    std::vector<NamedOps> made;
    for (const InstructionSet& s : instruction_sets())
      if (s.available()) made.push_back(NamedOps{*s.ops, s.name});
    return made;
  }();
  static const std::vector<const NamedOps*> list = [] {
    std::vector<const NamedOps*> made;
    for (const NamedOps& t : tables) made.push_back(&t);
    return made;
  }();
  return list;
}
inline const NamedOps* find_ops(std::string_view name = {}) {
  for (const NamedOps* o : op_tables())
    if (name.empty() || o->name == name) return o;
  return nullptr;
}

// Every linear kernel that is built in, each once.
inline std::vector<const LinearKernel*> linear_kernels() {
  std::vector<const LinearKernel*> list;
  for (const InstructionSet& s : instruction_sets())
    for (const LinearKernel* k : s.linear)
      if (std::ranges::find(list, k) == list.end()) list.push_back(k);
  return list;
}
inline const LinearKernel* find_linear(const MatrixFormat& format, Precision precision, std::string_view set = {}) {
  const InstructionSet* s = find_instruction_set(set);
  return s == nullptr ? nullptr : s->find_linear(format, precision);
}

}  // namespace jang::kernels
