// SPDX-License-Identifier: Apache-2.0
// Distillation of directories that are found already, as a step of a command. Inside src/api only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "jang/distill.h"

namespace jang {

// Phases that distill_directory announces, in order.
[[nodiscard]] std::vector<std::string_view> distillation_phases(const DistillationOptions& options);
// Everything that can be refused before the work; `output`: may be empty where it is not known yet.
[[nodiscard]] Status check_distillation(const DistillationOptions& options, const std::string& output);
// Trains the bundle `directory` against `source`, both directories, and writes `output`; tells `observer` in the place of run.observer.
[[nodiscard]] Result<DistillationReport> distill_directory(const std::string& directory, const std::string& source,
                                                           const std::string& output, const DistillationOptions& options,
                                                           const RunOptions& run, Observer& observer);

}  // namespace jang
