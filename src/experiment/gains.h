// SPDX-License-Identifier: Apache-2.0
// The gains of a bundle's weights (eval/weight_gain.h), kept in a file of the comparison.
#pragma once

#include <string>
#include <vector>

#include "engine/engine.h"
#include "jang/measures.h"
#include "jang/status.h"

namespace jang::experiment {

// What the file `path` holds, or else measured and written there. Errors: those of loading the bundle, cancelled, write errors.
[[nodiscard]] Result<std::vector<RoleGain>> kept_gains(const std::string& path, engine::Engine& source, const std::string& bundle,
                                                       const engine::LoadOptions& load, const CancelFlag* cancel);

}  // namespace jang::experiment
