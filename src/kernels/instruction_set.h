// SPDX-License-Identifier: Apache-2.0
// What the processor offers, one row per instruction set: row ops, encoders and linear kernels. Devices of the CPU are made of one row
// each; nothing above this folder knows an instruction set.
#pragma once

#include <string_view>
#include <vector>

#include "kernels/encode.h"
#include "kernels/ops.h"

namespace jang::kernels {

struct InstructionSet {
  std::string_view name;          // "ref", "avx2", "avx512", "neon"
  bool (*available)() = nullptr;  // on this machine
  const Ops* ops = nullptr;
  Encoders encoders;
  std::vector<const LinearKernel*> linear;  // fastest first; the last one is exact and always available

  // Fastest available kernel for a format: of `precision`, or else an exact one. Null when there is none: the model refuses the tensor at
  // load.
  [[nodiscard]] const LinearKernel* find_linear(const MatrixFormat& format, Precision precision) const;
};

// All that are built in, fastest first, "ref" last.
[[nodiscard]] const std::vector<InstructionSet>& instruction_sets();
// The fastest available, or the named one; null when unknown or not available here.
[[nodiscard]] const InstructionSet* find_instruction_set(std::string_view name = {});

}  // namespace jang::kernels
