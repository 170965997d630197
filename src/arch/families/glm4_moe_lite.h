// SPDX-License-Identifier: Apache-2.0
// GLM-4.7-Flash.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kGlm4MoeLite;

}  // namespace jang::arch
