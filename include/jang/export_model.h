// SPDX-License-Identifier: Apache-2.0
// A packed model becomes one that other programs open, with the codes that it has.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "jang/export.h"
#include "jang/run_options.h"
#include "jang/status.h"

namespace jang {

enum class ExportScales : std::uint8_t { automatic, bf16, f16, f32 };  // automatic: the target's, or those of the source

struct ExportOptions {
  std::string target = {};  // one of target_names() (plan.h); empty: the default
  std::string output = {};  // empty: "<name of the source>-<target>" in the working directory
  ExportScales scales = ExportScales::automatic;
  bool force = false;  // replaces an output that exists, once the new one is complete
};

struct ExportReport {
  std::string output;
  std::uint64_t n_modules = 0, n_exact = 0;  // packed ones; those whose values are the source's to the last bit
  double error = 0;                          // of the others: squared error over squared norm, against the source's values
  std::vector<std::string> changed;          // their names
  std::uint64_t file_bytes = 0;
  double stored_bits = 0;
  double seconds = 0;
  std::vector<std::string> loader_command = {};  // as in ConvertReport
};

// Exports a packed directory (of any target, or of AutoAWQ, GPTQ's tools, compressed-tensors, mlx-lm). Codes are kept where the target has
// their width; scales and zero points are where its types hold them. What does not come over exactly is quantized again from its values,
// unless keeping the codes is nearer: a warning says how many modules that are and how far they are off. Observed as the phases detect,
// quantize, write. Errors: invalid_argument (no such target, the output exists, nothing is packed), not_found, corrupt, unsupported, io,
// cancelled.
[[nodiscard]] JANG_API Result<ExportReport> export_model(const std::string& name, const ExportOptions& options, const RunOptions& run = {});

}  // namespace jang
