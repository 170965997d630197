// SPDX-License-Identifier: Apache-2.0
// Qwen3, dense: llama with RMS norms on queries and keys.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kQwen3;

}  // namespace jang::arch
