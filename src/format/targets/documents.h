// SPDX-License-Identifier: Apache-2.0
// What the documents of several targets have in common.
#pragma once

#include <string_view>

#include "format/targets/target.h"
#include "json/json.h"
#include "tensor/dtype.h"

namespace jang::targets {

// "bfloat16" as configs spell it.
[[nodiscard]] std::string_view config_dtype(DType dtype);
// model.safetensors.index.json: total_size and total_parameters behind what `metadata` has, and the file of every tensor by name.
[[nodiscard]] json::Value weight_index(const Record& record, json::Value metadata = json::Value::object());

}  // namespace jang::targets
