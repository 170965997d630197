// SPDX-License-Identifier: Apache-2.0
// InternLM 2 and 2.5.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kInternLm2;

}  // namespace jang::arch
