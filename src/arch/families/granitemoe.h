// SPDX-License-Identifier: Apache-2.0
// Granite 3 mixtures.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kGraniteMoe;

}  // namespace jang::arch
