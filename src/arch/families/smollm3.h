// SPDX-License-Identifier: Apache-2.0
// SmolLM3: llama with layers that do not rotate.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kSmolLm3;

}  // namespace jang::arch
