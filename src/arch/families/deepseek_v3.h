// SPDX-License-Identifier: Apache-2.0
// DeepSeek-V3, Kimi K2 and K2.5: latent attention, a mixture of many small experts.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kDeepseekV3;
extern const Family kKimiK25;  // the wrapper of Kimi K2.5

}  // namespace jang::arch
