// SPDX-License-Identifier: Apache-2.0
// Types that no family lists, by the table of mlx-lm's classes.
#pragma once

#include <span>

#include "arch/arch.h"
#include "jang/status.h"
#include "tensor/shape.h"

namespace jang::targets::mlx {

// Where the class renames, stacks or cuts unpacked tensors as it loads, the model gets them in the form the class keeps them in; what it
// transforms in other ways is not packed. Without a class the canonical description stays. What mlx-lm would not open is in
// Model::refusal. Errors: corrupt.
[[nodiscard]] Status spell_generic(std::span<const TensorInfo> stored, const arch::SourceFacts& facts, arch::Model* model);

}  // namespace jang::targets::mlx
