// SPDX-License-Identifier: Apache-2.0
// A model as vLLM 0.33 reads it: Hugging Face's names, and the rules that its loaders enforce or that misreading them would break:
//
//   one scheme for q, k and v; for gate and up; for a whole layer of routed experts; for the inputs of linear attention: each is one unit
//   embeddings (also tied ones), routers and the small inputs of linear attention stay in 16 bits
//   zero points fill whole words, so a unit with a matrix whose rows 32 does not divide is symmetric
#pragma once

#include "arch/arch.h"
#include "jang/status.h"

namespace jang::targets::compressed_tensors {

// `symmetric`: no tensor gets zero points. Sets `refusal` for families that vLLM's class would not find whole.
[[nodiscard]] Status spell(std::span<const TensorInfo> stored, const arch::SourceFacts& facts, bool symmetric, arch::Model* model);

}  // namespace jang::targets::compressed_tensors
