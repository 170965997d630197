// SPDX-License-Identifier: Apache-2.0
// What mlx-lm's classes want of a config beyond what transformers writes.
#pragma once

#include "arch/family.h"
#include "arch/geometry.h"
#include "format/targets/mlx/families.h"
#include "json/json.h"

namespace jang::targets::mlx {

// No quantization objects, eos and bos ids of text_config also at the top: every bundle gets it.
void drop_quantization_and_lift_ids(json::Value* config);
// That, and for a listed family: tie flag, head_dim and KV heads written out, the model type that finds the class.
void finish_config(const arch::Family& family, const FamilyRow& row, const arch::Geometry& geometry, json::Value* config);

}  // namespace jang::targets::mlx
