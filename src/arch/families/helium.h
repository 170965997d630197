// SPDX-License-Identifier: Apache-2.0
// Helium: llama that rotates pairs of neighbours.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kHelium;

}  // namespace jang::arch
