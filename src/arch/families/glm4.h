// SPDX-License-Identifier: Apache-2.0
// GLM-4 0414 dense: norms around the blocks, half of a head rotated by neighbours.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kGlm4;

}  // namespace jang::arch
