// SPDX-License-Identifier: Apache-2.0
// Command R7B and A (cohere2): parallel blocks, LayerNorm.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kCohere2;

}  // namespace jang::arch
