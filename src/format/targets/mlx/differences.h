// SPDX-License-Identifier: Apache-2.0
// What mlx-lm's class of a listed family computes otherwise than config.json asks, or would refuse.
#pragma once

#include <string>
#include <vector>

#include "arch/family.h"
#include "arch/geometry.h"
#include "format/targets/mlx/families.h"
#include "json/json.h"

namespace jang::targets::mlx {

// What the class computes otherwise than the config says, one sentence each. `text`: the object with the language model's numbers.
[[nodiscard]] std::vector<std::string> differences(const arch::Family& family, const json::Value& text);
// Why the class would refuse the width of the heads, a dense layer or a RoPE; empty when it takes them.
[[nodiscard]] std::string layers_refusal(const arch::Family& family, const arch::Geometry& geometry, const json::Value& text);
// Why the class would refuse a model with, or without, an output head of its own; empty when it takes it.
// What the class makes of the logits of a tied model; empty where it does as the model says.
[[nodiscard]] std::string tied_difference(const arch::Family& family, bool tied);
[[nodiscard]] std::string head_refusal(const arch::Family& family, bool tied);
// Why the class would refuse the kinds of the layers; empty when it takes them.
[[nodiscard]] std::string kinds_refusal(const arch::Family& family, const json::Value& text);
// Why the class would refuse the biases of the maps or the width of the MLP; empty when it takes them.
[[nodiscard]] std::string map_refusal(const arch::Family& family, const arch::Geometry& geometry);
// Why the class would refuse a config's RoPE; empty when it takes it.
[[nodiscard]] std::string rope_refusal(const json::Value& text);

}  // namespace jang::targets::mlx
