// SPDX-License-Identifier: Apache-2.0
// The bundles of a comparison in its work directory: made when missing, kept with a record of what made them, used again when nothing that
// matters has changed.
//
//   WORK/bundles/<recipe>        the bundle
//   WORK/bundles/<recipe>.json   its record, written after the bundle: without it, or with another fingerprint, the bundle is made again
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "eval/recipe.h"
#include "eval/report.h"
#include "jang/status.h"
#include "quantize/convert.h"

namespace jang::eval {

struct BundleRecord {
  std::string directory, fingerprint;
  double convert_seconds = 0;  // planning and measuring counted
  double code_bits = 0, stored_bits = 0;
  std::uint64_t file_bytes = 0;
  std::vector<ClassBits> classes;
};

// Self-calibration for recipes that ask for it (:self). Called only when such a bundle is not there yet; calibration lies
// beside this layer, so the program brings it.
struct SelfKnowledge {
  // Statistics that outlive the conversion.
  std::function<Result<const format::Statistics*>(const quantize::Source&)> statistics;
  // The plan of `auto`, allocated by them.
  std::function<Result<plan::Plan>(const quantize::Source&, const plan::Options&, const quantize::RunOptions&)> plan;
};

struct BundleOptions {
  std::string work;
  std::string source_fingerprint;
  std::string tool;    // version and commit: another program may write other bytes
  SelfKnowledge self;  // may be empty when no recipe asks
  quantize::RunOptions run;
};

// Errors: those of planning and converting, write errors.
[[nodiscard]] Result<BundleRecord> prepare_bundle(const quantize::Source& source, const Recipe& recipe, const BundleOptions& options);

// Mean bits per class of quantizable tensors and layer.
[[nodiscard]] std::vector<ClassBits> class_bits(const arch::Model& model, const plan::Plan& plan);

[[nodiscard]] json::Value to_json(const std::vector<ClassBits>& classes);

}  // namespace jang::eval
