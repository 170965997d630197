// SPDX-License-Identifier: Apache-2.0
// Gemma (first generation): llama with zero-centred norms and GELU.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kGemma;

}  // namespace jang::arch
