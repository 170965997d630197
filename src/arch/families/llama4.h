// SPDX-License-Identifier: Apache-2.0
// Llama 4, Scout and Maverick, in their wrapper.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kLlama4;

}  // namespace jang::arch
