// SPDX-License-Identifier: Apache-2.0
// EXAONE 4: norms behind the blocks, global layers that do not rotate.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kExaone4;

}  // namespace jang::arch
