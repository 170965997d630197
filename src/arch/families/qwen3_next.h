// SPDX-License-Identifier: Apache-2.0
// Qwen3-Next: the hybrid of qwen3_5.h with its linear attention projections fused.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kQwen3Next;

}  // namespace jang::arch
