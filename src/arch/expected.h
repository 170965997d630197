// SPDX-License-Identifier: Apache-2.0
// The tensors that a checkpoint of a config holds, before anybody has one: what estimates are made of.
#pragma once

#include <vector>

#include "jang/status.h"
#include "json/json.h"
#include "tensor/shape.h"

namespace jang::arch {

// Names and shapes of the language model's weights, in the order of the model, under canonical names: describe() binds every one of them.
// The routed experts of a projection are one tensor, gate and up in one where published checkpoints fuse them. Vision towers and heads of
// multi-token prediction, which describe() drops, are not among them. Types are the config's (torch_dtype or dtype), bf16 where it is
// silent. Linear in the number of tensors. Errors: corrupt (a number out of range or missing), unsupported (a family nobody listed, whose
// shapes no config tells).
[[nodiscard]] Result<std::vector<TensorInfo>> expected_tensors(const json::Value& config);

}  // namespace jang::arch
