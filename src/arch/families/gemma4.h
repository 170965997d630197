// SPDX-License-Identifier: Apache-2.0
// Gemma 4, text only, and the language model inside the multimodal "gemma4" checkpoints.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kGemma4Text, kGemma4;

}  // namespace jang::arch
