// SPDX-License-Identifier: Apache-2.0
// Llama: pre-norm decoder, SwiGLU, RoPE.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kLlama;

}  // namespace jang::arch
