// SPDX-License-Identifier: Apache-2.0
// K-EXAONE.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kExaoneMoe;

}  // namespace jang::arch
