// SPDX-License-Identifier: Apache-2.0
// A packed directory as the checkpoint it stands for: every packed module is a float32 tensor whose values are computed as they are read,
// so that whoever reads sources reads it too. Of formats without biases; what is quantized from these values is quantized a second time.
#pragma once

#include "format/checkpoint.h"
#include "format/targets/bundle.h"

namespace jang::format {

// Precondition: no module is affine.
[[nodiscard]] Checkpoint unpacked(Bundle bundle);

}  // namespace jang::format
