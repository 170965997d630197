// SPDX-License-Identifier: Apache-2.0
// Nemotron, Minitron: LayerNorm published minus one, a plain MLP with the squared ReLU.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kNemotron;

}  // namespace jang::arch
