// SPDX-License-Identifier: Apache-2.0
// GPT-NeoX and Pythia: parallel blocks with a LayerNorm each.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kGptNeoX;

}  // namespace jang::arch
