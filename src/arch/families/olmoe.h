// SPDX-License-Identifier: Apache-2.0
// OLMoE: norms over whole rows of queries and keys, routed experts in every layer.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kOlmoe;

}  // namespace jang::arch
