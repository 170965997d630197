// SPDX-License-Identifier: Apache-2.0
// The layout of a plan's files (format/targets/layout.h) and the sizes the project always reports.
#pragma once

#include <cstdint>

#include "arch/arch.h"
#include "codec/weight_format.h"
#include "format/targets/layout.h"
#include "format/targets/targets.h"
#include "plan/plan.h"

namespace jang::plan {

using targets::kMaxShardBytes;
using targets::Layout;
using targets::Shard;
using targets::stored_dtype;
using targets::StoredPart;

// The format that a target packs a tensor in by a choice, null when the tensor stays plain. Precondition: bits and group are codec ones.
[[nodiscard]] const codec::WeightFormat* format_of(const targets::Target& target, const arch::OutTensor& tensor, const Choice& choice);

// Payload bytes of one tensor under a choice: everything that the target stores of it.
[[nodiscard]] std::uint64_t stored_bytes(const targets::Target& target, const arch::OutTensor& tensor, const Choice& choice,
                                         DType plan_dtype);

// `model` as the plan's target has spelled it.
[[nodiscard]] Layout make_layout(const arch::Model& model, const Plan& plan, std::uint64_t max_shard_bytes = kMaxShardBytes);

struct Sizes {
  std::uint64_t params = 0;      // weights of the model (tensor elements, without scales and biases)
  double code_bits = 0;          // JANG's "avg bits": mean width over quantized weights, scales not counted
  double stored_bits = 0;        // payload bits per weight, everything counted
  std::uint64_t file_bytes = 0;  // safetensors files, headers included
};
[[nodiscard]] Sizes sizes(const arch::Model& model, const Plan& plan, const Layout& layout);

}  // namespace jang::plan
