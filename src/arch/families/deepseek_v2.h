// SPDX-License-Identifier: Apache-2.0
// DeepSeek-V2: latent attention, a mixture by softmax whose experts may be chosen from the best groups.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kDeepseekV2;

}  // namespace jang::arch
