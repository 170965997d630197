// SPDX-License-Identifier: Apache-2.0
// Solar Open 100B.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kSolarOpen;

}  // namespace jang::arch
