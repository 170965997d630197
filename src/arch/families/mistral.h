// SPDX-License-Identifier: Apache-2.0
// Mistral: llama without biases.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kMistral;

}  // namespace jang::arch
