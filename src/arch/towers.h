// SPDX-License-Identifier: Apache-2.0
// The vision towers whose tensors a config tells: those of the Qwen3-VL line, SigLIP as gemma3 has it, and Pixtral as mistral3 has it. What
// estimates count beside the text model, and what a checkpoint of a wrapper should hold.
#pragma once

#include <string>
#include <vector>

#include "arch/arch.h"
#include "jang/status.h"
#include "json/json.h"
#include "tensor/shape.h"

namespace jang::arch {

// Names as transformers saves them and shapes as published (convolutions [out, in, taps..]), in the given type. Empty: no vision_config, or
// a wrapper whose tower nobody listed. Numbers that vision_config leaves out are transformers' defaults. Source: the classes of
// transformers 5. Errors: corrupt (a number that is none, or out of range).
[[nodiscard]] Result<std::vector<TensorInfo>> expected_towers(const json::Value& config, DType dtype);

// Those of expected_towers that a model with a tower does not have, under the names there; whatever prefix its own names have. Empty too
// where the model has no tower, or its config is not to be read.
[[nodiscard]] std::vector<std::string> missing_of_towers(const Model& model);

}  // namespace jang::arch
