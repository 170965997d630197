// SPDX-License-Identifier: Apache-2.0
// Qwen2-MoE: the attention of Qwen2, experts routed and shared.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kQwen2Moe;

}  // namespace jang::arch
