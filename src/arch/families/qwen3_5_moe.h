// SPDX-License-Identifier: Apache-2.0
// Qwen3.5-MoE, text: the hybrid of qwen3_5.h with routed experts and one gated shared expert.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kQwen35Moe;

}  // namespace jang::arch
