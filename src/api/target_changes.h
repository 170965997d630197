// SPDX-License-Identifier: Apache-2.0
// What a target changes of a plan, and what that costs: the same plan made for MLX once more, module by module beside it. Inside src/api
// only.
#pragma once

#include "jang/plan.h"
#include "plan/plan.h"
#include "quantize/source.h"

namespace jang {

// `source` and `plan`: for a target other than the default one. `options`: that made the plan. `run.statistics` may be null; with gradients
// of everything that is packed the divergences of both plans are estimated, for which the weights are read twice. Errors: those of opening
// and planning.
[[nodiscard]] Result<TargetChanges> target_changes(const quantize::Source& source, const plan::Plan& plan, const plan::Options& options,
                                                   const quantize::RunOptions& run);

}  // namespace jang
