// SPDX-License-Identifier: Apache-2.0
// Cohere: Command R, Aya.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kCohere;

}  // namespace jang::arch
