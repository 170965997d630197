// SPDX-License-Identifier: Apache-2.0
// Seed-OSS: llama with biases on queries, keys and values.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kSeedOss;

}  // namespace jang::arch
