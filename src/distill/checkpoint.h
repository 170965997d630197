// SPDX-License-Identifier: Apache-2.0
// A distillation in the middle, as a file (checkpoint_file.h): what an interrupted one goes on from, to the same bytes. The tensors
// "<module>/<i>" are TrainedModule::state() and those of the best step, the rest is in the metadata.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "distill/checkpoint_file.h"
#include "distill/student.h"
#include "jang/distill.h"

namespace jang::distill {

struct Progress {
  std::int64_t step = 0;                  // steps done
  double rate = 0;                        // multiplier; 0: not chosen yet
  std::int64_t steps = 0;                 // of the whole run
  std::int64_t kept_step = 0;             // whose values are `best`
  std::vector<DistillationPoint> points;  // the start at least
  std::vector<DistillationTrial> trials;
  std::string device;  // it was trained on: another rounds otherwise
  StoredModules best;  // empty: the start
};

// `settings`: what the run depends on; a checkpoint of other settings is not taken. `sync`: returns when it is on the disk, which takes
// seconds; else it may be lost, and with it the one before, if the machine fails soon. Errors: write errors.
[[nodiscard]] Status write_checkpoint(const std::string& path, const std::string& settings, const Progress& progress, Student& student,
                                      bool sync);
// None where there is no file, or it is of another run or damaged (`why` says so then). The student is as it was, its decoder included.
// Errors: those of check_checkpoint_place.
[[nodiscard]] Result<std::optional<Progress>> read_checkpoint(const std::string& path, const std::string& settings, Student& student,
                                                              std::string* why);

}  // namespace jang::distill
