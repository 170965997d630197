// SPDX-License-Identifier: Apache-2.0
// stats.safetensors: the statistics of a calibration. Written by `jang calibrate`, read by `jang convert --stats`; calibration and
// conversion meet only here.
//
//   <module>.mean_square     F32 [in], or [experts, in]     E[x_j^2] over the inputs of a linear map
//   <module>.tokens          I64 [1], or [experts]          inputs seen
//   <unit>.sensitivity       F32 [n, 4]                     rows {bits, group size, relative squared error, KL divergence}: the model with
//                                                           that unit alone quantized
//   <module>.fisher_rows     F32 [out], or [experts, out]   sums over columns of the squared gradients of windows (calibrate/fisher.h),
//   <module>.fisher_columns  F32 [in], or [experts, in]     and over rows; both added up over the windows
//   text.tokens              I32 [windows, length]          the token ids all of it was measured on
//   metadata: jang_statistics "1"; model (a fingerprint of names and shapes); text ("self", "file", "random"); settings;
//             method ("fit", "gptq", "rtn"); positions (scored for each sensitivity);
//             fisher_positions (scored by the gradients; where there are any);
//             measured_windows (where sensitivities and gradients are of the first windows only)
//
// Files of the same model merge: means are weighted by tokens, sensitivities by scored positions, squares and their positions add up.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "jang/status.h"
#include "tensor/shape.h"

namespace jang::format {

struct InputStatistics {
  std::vector<float> mean_square;    // [n_experts or 1, in]
  std::vector<std::int64_t> tokens;  // [n_experts or 1]
  [[nodiscard]] std::int64_t in() const { return tokens.empty() ? 0 : static_cast<std::int64_t>(mean_square.size() / tokens.size()); }
};

// The model with one unit alone at (bits, group_size).
struct SensitivityPoint {
  int bits = 0, group_size = 0;
  double error = 0;       // relative squared error of the unit, weighted by its inputs
  double divergence = 0;  // KL(source || so quantized), nats per token
};

// Squared gradients of one matrix, or of one per expert, summed over its columns and over its rows.
struct FisherStatistics {
  std::int64_t n = 0;                // matrices
  std::vector<float> rows, columns;  // [n, out], [n, in]
  [[nodiscard]] std::int64_t out() const { return n == 0 ? 0 : static_cast<std::int64_t>(rows.size()) / n; }
  [[nodiscard]] std::int64_t in() const { return n == 0 ? 0 : static_cast<std::int64_t>(columns.size()) / n; }
};

struct Statistics {
  std::string model;                                                   // fingerprint, see model_fingerprint
  std::string text;                                                    // "self", "file", "random"
  std::string settings;                                                // of the run, for taking it up again
  std::string method;                                                  // of the encoder behind the sensitivities
  std::int64_t positions = 0;                                          // scored for each sensitivity point
  std::map<std::string, InputStatistics> inputs;                       // by module
  std::map<std::string, std::vector<SensitivityPoint>> sensitivities;  // by unit, points by falling error
  std::map<std::string, FisherStatistics> fisher;                      // by module
  std::int64_t fisher_positions = 0;                                   // scored by the gradients of all windows
  std::vector<std::int32_t> tokens;                                    // [windows, window_length]
  std::int64_t window_length = 0;
  std::int64_t measured_windows = 0;  // the first so many, for sensitivities and gradients; 0: all
  // Holds what an allocation is decided by: sensitivities, or gradients that stand for them.
  [[nodiscard]] bool decides() const { return !sensitivities.empty() || !fisher.empty(); }
  std::string digest;  // xxh3 of the file it was read from, else empty
};

// Identifies a model by its tensors in the bundle's naming: the same for a source under any spelling of its names.
[[nodiscard]] std::string model_fingerprint(std::span<const TensorInfo> tensors);

// Strict reader; the file is untrusted. Errors: not_found, io, corrupt (naming the tensor), unsupported (another version).
[[nodiscard]] Result<Statistics> read_statistics(const std::string& path);
// The file as bytes, deterministic.
[[nodiscard]] std::string serialize(const Statistics& statistics);
// From bytes already in memory; `what` names them in messages.
[[nodiscard]] Result<Statistics> parse_statistics(std::string_view bytes, std::string_view what);
// Writes beside and renames: `path` is absent, old or complete. Errors: write errors.
[[nodiscard]] Status write_statistics(const Statistics& statistics, const std::string& path);
// Adds `other` to `into`. Errors: invalid_argument (another model, method or shapes).
[[nodiscard]] Status merge(const Statistics& other, Statistics* into);

}  // namespace jang::format
