// SPDX-License-Identifier: Apache-2.0
// MiniCPM 1, 2 and 4.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kMiniCpm;

}  // namespace jang::arch
