// SPDX-License-Identifier: Apache-2.0
// Qwen3-VL, dense and mixture: the language models are Qwen3 and Qwen3-MoE (qwen3.cpp, qwen3_moe.cpp) in a wrapper.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kQwen3Vl;
extern const Family kQwen3VlMoe;

}  // namespace jang::arch
