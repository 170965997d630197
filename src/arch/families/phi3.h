// SPDX-License-Identifier: Apache-2.0
// Phi-3, Phi-3.5 and Phi-4: llama with fused projections.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kPhi3;

}  // namespace jang::arch
