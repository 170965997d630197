// SPDX-License-Identifier: Apache-2.0
// Mamba2: state spaces alone, without attention and without MLPs.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kMamba2;

}  // namespace jang::arch
