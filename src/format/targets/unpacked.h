// SPDX-License-Identifier: Apache-2.0
// A packed directory as the checkpoint it stands for: every packed module is a float32 tensor whose values are computed as they are read,
// so that whoever reads sources reads it too. Who can take packed rows as they are finds them behind the tensor (MadeTensor::packed).
#pragma once

#include "format/checkpoint.h"
#include "format/targets/bundle.h"

namespace jang::format {

[[nodiscard]] Checkpoint unpacked(Bundle bundle);

}  // namespace jang::format
