// SPDX-License-Identifier: Apache-2.0
// Granite 3 dense: llama with multipliers.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kGranite;

}  // namespace jang::arch
