// SPDX-License-Identifier: Apache-2.0
// Phi-1, 1.5 and 2: mixer and feed-forward behind one LayerNorm, biases everywhere.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kPhi;

}  // namespace jang::arch
