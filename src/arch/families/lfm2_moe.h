// SPDX-License-Identifier: Apache-2.0
// LFM2 with mixtures: LFM2-8B-A1B, 24B-A2B.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kLfm2Moe;

}  // namespace jang::arch
