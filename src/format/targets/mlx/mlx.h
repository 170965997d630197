// SPDX-License-Identifier: Apache-2.0
// The target mlx-lm: directories that it opens with no plugin (the JANG v2 format). Experts are stacked `...switch_mlp.gate_proj`
// [E, out, in], convolutions are [C, K, 1], norms hold what the model multiplies by where its class shifts them at conversion, multimodal
// names stand under "language_model.". Types that no family lists are placed by a table of mlx-lm's own classes.
#pragma once

#include "format/targets/target.h"

namespace jang::targets::mlx {

[[nodiscard]] const Target& target();

}  // namespace jang::targets::mlx
