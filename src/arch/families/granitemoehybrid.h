// SPDX-License-Identifier: Apache-2.0
// Granite 4: state spaces or attention, and an MLP, alone or beside a mixture.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kGraniteMoeHybrid;

}  // namespace jang::arch
