// SPDX-License-Identifier: Apache-2.0
// Hunyuan dense: norms of queries and keys behind RoPE.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kHunyuanDense;

}  // namespace jang::arch
