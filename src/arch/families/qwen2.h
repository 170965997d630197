// SPDX-License-Identifier: Apache-2.0
// Qwen2 and Qwen2.5, dense: llama with biases on q, k and v.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kQwen2;

}  // namespace jang::arch
