// SPDX-License-Identifier: Apache-2.0
// GLM-4.5: grouped attention, the mixture of DeepSeek-V3.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kGlm4Moe;

}  // namespace jang::arch
