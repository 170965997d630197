// SPDX-License-Identifier: Apache-2.0
// Nemotron-H and Nemotron 3: one block a layer, a state space, attention, an MLP or a mixture.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kNemotronH;

}  // namespace jang::arch
