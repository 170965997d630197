// SPDX-License-Identifier: Apache-2.0
// The plan of an export: what is packed stays packed, with the bits and the groups that it has wherever the target can hold them.
#pragma once

#include <optional>
#include <string_view>

#include "jang/status.h"
#include "plan/plan.h"
#include "quantize/source.h"

namespace jang::quantize {

// What such a plan says in the place of a profile.
inline constexpr std::string_view kExportProfile = "export";

// `params`: the type of scales; empty: the target's, or the source's own. With float32, tensors that are not packed keep their types, so
// that nothing else grows. Modules that the target wants alike get the most bits and the smallest group among them; a width that it lacks
// becomes the next that it has. Errors: invalid_argument (nothing is packed), unsupported.
[[nodiscard]] Result<plan::Plan> export_plan(Source* source, std::optional<DType> params);

}  // namespace jang::quantize
