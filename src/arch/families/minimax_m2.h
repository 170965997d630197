// SPDX-License-Identifier: Apache-2.0
// MiniMax-M2: norms over whole rows of queries and keys, a router of sigmoids with a correction.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kMinimaxM2;

}  // namespace jang::arch
