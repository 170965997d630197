// SPDX-License-Identifier: Apache-2.0
// From a family's rows to the tensors of the model.
#pragma once

#include <span>
#include <string_view>

#include "arch/arch.h"
#include "arch/family.h"
#include "arch/geometry.h"
#include "jang/status.h"
#include "json/json.h"

namespace jang::arch {

// Fills tensors, dropped and warnings of `model`.
[[nodiscard]] Status bind_tensors(const Family& family, Geometry* geometry, const json::Value& text, std::span<const TensorInfo> sources,
                                  const SourceFacts& facts, Model* model);
// A name with its parts renamed, `from` to `to` in order, and the way back (Family::parts: published names to canonical ones).
[[nodiscard]] std::string rename_parts(std::string name, std::span<const Rename> parts);
[[nodiscard]] std::string rename_parts_back(std::string name, std::span<const Rename> parts);
// Whether a tensor is of a part of the model that the family leaves out (Drop::prefix), so that its name stays as the source has it.
[[nodiscard]] bool is_of_dropped_part(const Family& family, std::string_view name);
// The head and the embedding of a source of this family, under the names it uses; -1 where it has none.
[[nodiscard]] DoubtfulTie find_ends(const Family& family, std::span<const TensorInfo> sources);

inline constexpr std::string_view kOwnHeadWarning =
    "config.json says that embedding and output head are tied, but the checkpoint's head differs: it is kept, as transformers keeps it";

}  // namespace jang::arch
