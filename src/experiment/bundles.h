// SPDX-License-Identifier: Apache-2.0
// The bundles of a comparison in its work directory: made when missing, kept with a record of what made them, used again when nothing that
// matters has changed.
//
//   WORK/bundles/<recipe>        the bundle; of a GGUF file its values as a float32 checkpoint (gguf/dequantized.h)
//   WORK/bundles/<recipe>.json   its record, written after the bundle: without it, or with another fingerprint, the bundle is made again
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "experiment/gguf/tools.h"
#include "experiment/recipe.h"
#include "experiment/report.h"
#include "experiment/self_calibration.h"
#include "jang/status.h"
#include "quantize/convert.h"

namespace jang::experiment {

struct BundleRecord {
  std::string directory, fingerprint;
  double convert_seconds = 0;  // planning and measuring counted, calibration not; 0: made by others
  double code_bits = 0, stored_bits = 0;
  std::uint64_t file_bytes = 0;  // of GGUF the payloads of its tensors
  std::uint64_t open_bytes = 0;  // of the files that the engine maps
  std::vector<ClassBits> classes;
  std::string calibration_text;               // of what the recipe was calibrated on; empty: it was not
  std::optional<double> calibration_seconds;  // made once for all recipes; none where it was taken up from an earlier run
};

struct BundleOptions {
  std::string work;
  std::string source_fingerprint;
  std::string tool;                 // version and commit: another program may write other bytes
  SelfCalibration* self = nullptr;  // may be null when no recipe asks
  GgufTools gguf{};                 // for recipes that name a type of GGUF
  quantize::RunOptions run;
};

// Errors: those of planning and converting, write errors.
[[nodiscard]] Result<BundleRecord> prepare_bundle(const quantize::Source& source, const Recipe& recipe, const BundleOptions& options);

}  // namespace jang::experiment
