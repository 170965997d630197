// SPDX-License-Identifier: Apache-2.0
// dots.llm1.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kDots1;

}  // namespace jang::arch
