// SPDX-License-Identifier: Apache-2.0
// Qwen3-MoE: the attention of Qwen3, routed experts.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kQwen3Moe;

}  // namespace jang::arch
