// SPDX-License-Identifier: Apache-2.0
// The config of a listed family, read without a checkpoint.
#pragma once

#include "arch/family.h"
#include "arch/geometry.h"
#include "jang/status.h"
#include "json/json.h"

namespace jang::arch {

// Brings a config to the family's one spelling, defaults included, and reads its numbers; `tied` is left open. Errors: those of
// read_geometry and of the family's edit.
[[nodiscard]] Result<Geometry> read_config(const Family& family, json::Value* config);
// Whether a model of this family with a head is tied all the same, as far as the config goes.
[[nodiscard]] bool says_tied(const Family& family, const json::Value& config);

}  // namespace jang::arch
