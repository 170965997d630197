// SPDX-License-Identifier: Apache-2.0
// EXAONE 3 and 3.5, EXAONE Deep.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kExaone;

}  // namespace jang::arch
