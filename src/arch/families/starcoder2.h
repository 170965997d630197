// SPDX-License-Identifier: Apache-2.0
// StarCoder2: LayerNorm and plain MLP, biases everywhere.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kStarcoder2;

}  // namespace jang::arch
