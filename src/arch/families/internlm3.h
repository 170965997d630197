// SPDX-License-Identifier: Apache-2.0
// InternLM 3: llama with two switches for biases.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kInternLm3;

}  // namespace jang::arch
