// SPDX-License-Identifier: Apache-2.0
// Whether the layers of a model can run one at a time, from hidden states that were kept: training, gradients and experiments on single
// layers ask before they begin.
#pragma once

#include "arch/decoder_config.h"
#include "jang/status.h"

namespace jang::model {

// Unsupported, naming the family, where a layer reads more than the hidden states before it (DecoderConfig::layers_stand_alone).
[[nodiscard]] Status check_layers_alone(const arch::DecoderConfig& config);

}  // namespace jang::model
