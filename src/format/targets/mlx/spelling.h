// SPDX-License-Identifier: Apache-2.0
// The listed families: from canonical names to those of mlx-lm's classes, and back.
#pragma once

#include <span>
#include <vector>

#include "arch/arch.h"
#include "arch/family.h"
#include "jang/status.h"
#include "json/json.h"
#include "tensor/shape.h"

namespace jang::targets::mlx {

// Names, shapes of convolutions, config, what the class would refuse or computes otherwise.
[[nodiscard]] Status spell_family(const arch::Family& family, std::span<const TensorInfo> stored, arch::Model* model);
// Target::published.
void unspell_family(const arch::Family& family, std::vector<TensorInfo>* tensors, arch::SourceFacts* facts);

}  // namespace jang::targets::mlx
