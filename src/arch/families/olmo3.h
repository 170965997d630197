// SPDX-License-Identifier: Apache-2.0
// OLMo 3: OLMo 2 with windows on three layers of four.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kOlmo3;

}  // namespace jang::arch
