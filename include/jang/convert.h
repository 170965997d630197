// SPDX-License-Identifier: Apache-2.0
// A checkpoint becomes a low-bit model directory that this library and stock mlx-lm open.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "jang/distill.h"
#include "jang/export.h"
#include "jang/plan.h"
#include "jang/run_options.h"
#include "jang/status.h"

namespace jang {

struct ConvertOptions {
  PlanOptions plan = {};
  // The directory to make; empty: "<name of the source>-<profile>" in the working directory.
  std::string output = {};
  bool force = false;    // replaces an output that exists, once the new one is complete
  bool dry_run = false;  // everything but the conversion
  // Trains the bundle against the source before anyone sees it (distill.h). Beside the output lie "<output>.start", which is the bundle
  // untrained, and "<output>.training" until it is done; an interrupted run leaves both, and the same call goes on from there.
  std::optional<DistillationOptions> distillation = {};
};

// Sets the plan's part of a level (plan.h), and distillation. Errors: invalid_argument (no such level).
[[nodiscard]] JANG_API Status set_effort(int level, ConvertOptions* options);

struct ConvertReport {
  PlanReport plan;                                      // of a conversion with measured errors, in `document` too
  std::string output;                                   // the directory made, or that would be
  std::optional<DistillationReport> distillation = {};  // where it was asked for
  double seconds = 0;                                   // of the conversion itself
  std::uint64_t peak_rss_bytes = 0;
  bool runs_here = false;  // this library can run the model, text included
  // Words of a command by which the program that the bundle is made for answers a prompt; empty where it cannot.
  std::vector<std::string> loader_command = {};
};

// Converts the source `name` (directory or org/name). The same source, plan and version give the same bytes on every machine. Memory is
// bounded by the threads, not by the model. The output appears complete and checked, or not at all: work happens in "<output>.partial".
// Observed as the phases of plan_model, then quantize and write, then those of distill_bundle; ticks count bytes of the source where no
// other unit is told. Errors: those of plan_model; invalid_argument (the output exists), unsupported (no loader would open the result),
// write errors, cancelled.
[[nodiscard]] JANG_API Result<ConvertReport> convert_model(const std::string& name, const ConvertOptions& options = {},
                                                           const RunOptions& run = {});

}  // namespace jang
