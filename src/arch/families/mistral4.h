// SPDX-License-Identifier: Apache-2.0
// Mistral 4, alone and in the wrapper of the model type mistral3.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kMistral4;
extern const Family kMistral3OfMistral4;

}  // namespace jang::arch
