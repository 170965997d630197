// SPDX-License-Identifier: Apache-2.0
// LFM2: gated short convolutions, and attention on some layers.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kLfm2;

}  // namespace jang::arch
