// SPDX-License-Identifier: Apache-2.0
// ERNIE 4.5 dense: llama that rotates pairs of neighbours.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kErnie45;

}  // namespace jang::arch
