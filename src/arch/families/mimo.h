// SPDX-License-Identifier: Apache-2.0
// MiMo 7B.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kMimo;

}  // namespace jang::arch
