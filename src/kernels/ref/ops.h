// SPDX-License-Identifier: Apache-2.0
// Scalar definition of the ops of inference; contract in ops.h.
#pragma once

#include "kernels/ops.h"

namespace jang::kernels::ref {

extern const Ops kOps;

}  // namespace jang::kernels::ref
