// SPDX-License-Identifier: Apache-2.0
// ERNIE 4.5 mixtures.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kErnie45Moe;

}  // namespace jang::arch
