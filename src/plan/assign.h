// SPDX-License-Identifier: Apache-2.0
// The beginning and the end of every plan, and plans that are a fixed width per tier. Inside src/plan only.
#pragma once

#include "arch/arch.h"
#include "jang/status.h"
#include "plan/draft.h"

namespace jang::plan {

inline constexpr int kDefaultGroup = 64;

// Largest codec group that is at most `request` and divides the input dimension; 0 when none does.
[[nodiscard]] int group_for(const arch::OutTensor& tensor, int request);
// Group asked for a tensor before its shape is looked at: Options::group_size, else 128 for routed experts of large mixtures, else 64.
[[nodiscard]] int group_request(const arch::Model& model, const arch::OutTensor& tensor, const Options& options);
// "; group 32 for 96 inputs" when the unit's group is not the one asked for, else "".
[[nodiscard]] std::string group_note(const Draft& draft, const PlannedUnit& unit);
// Why a unit or tensor stays in 16 bit: "kept: ...".
[[nodiscard]] std::string reason_to_keep(const arch::OutTensor& tensor, Tier tier);

// The units of the model under these options, overrides resolved. Errors: invalid_argument, those of resolve_overrides.
[[nodiscard]] Result<Draft> start_draft(const arch::Model& model, const Options& options);
// Gives every unit the width of its tier, or its floor.
void assign_tiers(Draft* draft);
// Applies the overrides and counts bytes.
// Errors: unsupported (nothing is packed for want of a group that divides anything).
[[nodiscard]] Result<Plan> finish_draft(Draft draft);

}  // namespace jang::plan
