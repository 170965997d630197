// SPDX-License-Identifier: Apache-2.0
// gpt-oss.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kGptOss;

}  // namespace jang::arch
