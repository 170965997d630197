// SPDX-License-Identifier: Apache-2.0
// Gemma 2: four norms, soft caps, every other layer a window.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kGemma2;

}  // namespace jang::arch
