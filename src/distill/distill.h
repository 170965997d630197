// SPDX-License-Identifier: Apache-2.0
// A distillation from start to end:
//
//   text        windows held out, fresh windows for every step          text.h
//   rate        short runs at falling multipliers, until one is worse   rates.h
//   train       windows -> gradients -> Adam; the best step is kept     student.h, trained_module.h
//   write       the bundle with other codes, scales and biases          write_bundle.h
//
// The same options give the same bytes, on any number of threads and whether interrupted or not (a budget in seconds excepted).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "distill/student.h"
#include "distill/text.h"
#include "jang/distill.h"

namespace jang::distill {

struct Options {
  TextOptions text;
  std::int64_t steps = 300;
  double rate = 0;              // 0: by short runs
  double budget_seconds = 0;    // 0: no limit
  std::string checkpoint_path;  // empty: none
};

struct Outcome {
  DistillationReport report;  // but for output and seconds
  StoredModules best;
};

// Errors: invalid_argument.
[[nodiscard]] Status check_options(const Options& options);
// Phases of a distillation, in order.
[[nodiscard]] std::vector<std::string_view> phases_of(const Options& options);
// Trains the student. Errors: invalid_argument (options), those of sampling and of the device; cancelled (what was done is in the
// checkpoint).
[[nodiscard]] Result<Outcome> distill(engine::Engine& source, Student& student, const Options& options, Observer& observer,
                                      const CancelFlag* cancel);

}  // namespace jang::distill
