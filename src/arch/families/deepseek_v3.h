// SPDX-License-Identifier: Apache-2.0
// DeepSeek-V3 and Kimi K2: latent attention, a mixture of many small experts.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kDeepseekV3;

}  // namespace jang::arch
