// SPDX-License-Identifier: Apache-2.0
// The families that exist; each is defined in the file of its name and listed once in registry.cpp.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kLlama, kMistral, kQwen2, kQwen3, kQwen3Moe, kGemma3Text, kGemma3, kQwen35, kQwen35Moe, kQwen3Next;

}  // namespace jang::arch
