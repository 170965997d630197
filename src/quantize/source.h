// SPDX-License-Identifier: Apache-2.0
// Opening a source, planning it, naming its output.
#pragma once

#include <map>
#include <string>

#include "arch/arch.h"
#include "base/log.h"
#include "format/checkpoint.h"
#include "format/statistics.h"
#include "format/targets/targets.h"
#include "jang/status.h"
#include "plan/plan.h"
#include "quantize/grams.h"

namespace jang::quantize {

// A source opened and understood: what every command starts from.
struct Source {
  format::Checkpoint checkpoint;
  arch::Model model;              // as the target spells it
  const targets::Target* target;  // never null
  std::string packed_by{};        // how the source is packed, as messages say it; empty: it is not
  bool text_only = false;         // towers beside the text model, and the files of their processors, were not wanted
};
// The warning that such a source gets.
[[nodiscard]] std::string packed_warning(const std::string& packed_by);
// Opens a directory (already resolved) and describes its model for a target; one that is packed as the values it stands for, whose warnings
// then hold those of the checkpoint too. Errors: those of Checkpoint::open and arch::describe; what the index promises and no file has,
// when the model needs it.
[[nodiscard]] Result<Source> open_source(const std::string& directory, const format::OpenOptions& options = {},
                                         const targets::Target& target = targets::default_target(), bool text_only = false);

struct RunOptions {
  int n_threads = 0;                   // 0 = available_threads()
  Observer* observer = nullptr;        // may be null
  const CancelFlag* cancel = nullptr;  // may be null
  std::string backend;                 // "" = fastest available
  // Of a calibration: weights the fit, and decides in `auto` where it holds sensitivities. May be null.
  const format::Statistics* statistics = nullptr;
  std::map<std::string, double> factors;  // by unit, see plan_by_sensitivity
  Grams* grams = nullptr;                 // for plans of the method gptq
};

// Makes the plan: measures the errors first where the profile needs them (reads the weights), else pure.
// `plan_file` non-empty: the plan is read from that file instead; with weights of its own it needs the same statistics.
// Phases: measure, where needs_errors; allocate.
[[nodiscard]] Result<plan::Plan> plan_source(const Source& source, const plan::Options& options, const std::string& plan_file,
                                             const RunOptions& run);

// Default output name in the working directory: "<source name without -BF16/-FP16/...>-<profile>".
[[nodiscard]] std::string default_output_name(const std::string& source_path, const plan::Plan& plan);

}  // namespace jang::quantize
