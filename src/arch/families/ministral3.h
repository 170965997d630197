// SPDX-License-Identifier: Apache-2.0
// Ministral 3.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kMinistral3;

namespace ministral3 {
// The growth of queries with their positions, which Mistral 4 has too. Errors: corrupt, naming the key.
[[nodiscard]] Result<QueryScale> query_scale(const json::Value& text);
// Writes `defaults`, the class's rope_parameters, into a config without any, and brings RoPE to one spelling. Errors: corrupt (parameters
// without the growth of queries, which the classes demand).
[[nodiscard]] Status edit_rope(const json::Value& defaults, json::Value* text);
}  // namespace ministral3

}  // namespace jang::arch
