// SPDX-License-Identifier: Apache-2.0
// Reading what AutoAWQ's and GPTQ's files have in common: modules of qweight, qzeros and scales whose groups lie one below the other, found
// by name, checked against each other, and turned into modules of the codec's formats, or into values where they are of none.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "format/targets/arrangement.h"
#include "format/targets/bundle.h"
#include "jang/status.h"

namespace jang::targets {

inline constexpr std::string_view kQweight = "qweight", kQzeros = "qzeros", kScales = "scales", kGroupIndex = "g_idx";

// The tensors of a module as they were found, indices into the checkpoint; -1: none of the name.
struct QweightTensors {
  std::string path;
  int qweight = -1, qzeros = -1, scales = -1, group_index = -1;
};

// What a format makes of them.
struct QweightShape {
  int bits = 0;
  std::int64_t out = 0, in = 0;
  Arrangement codes, zeros;
};
// Errors: corrupt, unsupported, without the module's name. The tensors are there, and of rank 2.
using ShapeOf = std::function<Result<QweightShape>(const format::Checkpoint& checkpoint, const QweightTensors& tensors)>;

// Whether config.json's quantization_config names the method, and there are packed weights.
[[nodiscard]] bool is_packed_by(const format::Checkpoint& checkpoint, std::string_view method);
// Target::read. Modules of other groups than 32, 64 or 128, or whose columns go to groups in another order (g_idx), become float32 tensors
// of the checkpoint, with a warning. Errors: those of `shape_of`; corrupt (parts that are missing or do not belong together).
[[nodiscard]] Status read_qweight_modules(const ShapeOf& shape_of, format::Bundle* bundle);

}  // namespace jang::targets
