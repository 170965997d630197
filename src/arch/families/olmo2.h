// SPDX-License-Identifier: Apache-2.0
// OLMo 2: norms behind the blocks, and of whole rows of queries and keys.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kOlmo2;

}  // namespace jang::arch
