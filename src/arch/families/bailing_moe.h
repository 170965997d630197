// SPDX-License-Identifier: Apache-2.0
// Ling: bailing_moe.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kBailingMoe;

}  // namespace jang::arch
