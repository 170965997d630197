// SPDX-License-Identifier: Apache-2.0
// Mistral 3.1 and 3.2: Mistral's language model in a wrapper with the Pixtral tower.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kMistral3;

}  // namespace jang::arch
