// SPDX-License-Identifier: Apache-2.0
// Gemma 3, text only, and the language model inside the multimodal "gemma3" checkpoints.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kGemma3Text, kGemma3;

}  // namespace jang::arch
