// SPDX-License-Identifier: Apache-2.0
// StableLM 2 and 3B: llama with LayerNorm and a rotated quarter of every head.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kStableLm;

}  // namespace jang::arch
