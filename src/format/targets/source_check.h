// SPDX-License-Identifier: Apache-2.0
// What is refused before a single name is looked at: sources whose weights are packed already.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "jang/status.h"
#include "json/json.h"
#include "tensor/shape.h"

namespace jang::targets {

// Refuses quantized sources, dtypes nobody reads here and impossible shapes. A config that claims to be quantized while every tensor is
// plain is a left-over: told in `warnings`.
[[nodiscard]] Status check_source(const json::Value& config, std::span<const TensorInfo> sources, std::vector<std::string>* warnings);

}  // namespace jang::targets
