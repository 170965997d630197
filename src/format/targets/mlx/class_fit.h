// SPDX-License-Identifier: Apache-2.0
// Whether a config and the tensors of a bundle fit what a class of mlx-lm builds from that config, as far as the table knows
// (class_table.h): keys it cannot do without, values it stumbles over, shapes of attention, biases.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "arch/arch.h"
#include "format/targets/mlx/class_table.h"
#include "json/json.h"

namespace jang::targets::mlx {

// A number of the config, from `text` or else the top; head_dim and num_key_value_heads derived where there is none. Nothing when it is
// absent, no integer or out of range.
[[nodiscard]] std::optional<std::int64_t> config_number(std::string_view key, const json::Value& text, const json::Value& config);

// Value of a formula of the table; nothing when one of its keys has no number.
[[nodiscard]] std::optional<std::int64_t> dimension(std::string_view formula, const json::Value& text, const json::Value& config);

// Why the class cannot be built from this config, and what helps; empty when nothing is known against it.
[[nodiscard]] std::string config_refusal(const ModelClass& model_class, const json::Value& config);
// Why it would not take these tensors.
[[nodiscard]] std::string tensor_refusal(const ModelClass& model_class, const json::Value& config,
                                         std::span<const arch::OutTensor> tensors);

}  // namespace jang::targets::mlx
