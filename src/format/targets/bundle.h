// SPDX-License-Identifier: Apache-2.0
// A finished low-bit directory as data: which modules are packed in which format, where their planes lie, and every check that can be made
// without the source. Which target wrote it decides how it is read (format/targets/target.h).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "codec/weight_format.h"
#include "format/checkpoint.h"
#include "format/targets/arrangement.h"
#include "jang/status.h"
#include "json/json.h"

namespace jang::targets {
class Target;
}

namespace jang::format {

struct BundleModule {
  std::string path;  // "model.layers.0.self_attn.q_proj"
  const codec::WeightFormat* format = nullptr;
  Shape shape;                                                     // logical [.., out, in]
  std::vector<int> planes;                                         // indices into checkpoint.tensors(), in the order of the format's planes
  std::array<targets::Arrangement, codec::kMaxPlanes> arranged{};  // how the rows of each lie in the file
};

struct Bundle {
  Checkpoint checkpoint;
  const targets::Target* target = nullptr;  // never null once opened
  json::Value jang_config;                  // its record (record.h); null when the directory has none (plain MLX)
  bool is_quantized = false;                // its config speaks of packed modules
  std::vector<BundleModule> modules;        // packed ones, by path
  std::vector<int> plain;                   // other tensors, indices into checkpoint.tensors()
};

// Opens a bundle or a source checkpoint, which has the last word on what its index promises and no file has (Checkpoint::settle). Errors:
// those of Checkpoint::open and Target::read.
[[nodiscard]] Result<Bundle> open_bundle(const std::string& path, const OpenOptions& options = {});

// A tensor of the model that a bundle stands for: a packed module under its weight's name with its logical shape, or a plain tensor.
struct LogicalTensor {
  TensorInfo info;  // of a module: dtype of its parameters
  int module = -1;  // index into modules, -1 for a plain tensor
  int stored = -1;  // index into checkpoint.tensors(); of a module: its codes
};
[[nodiscard]] std::vector<LogicalTensor> logical_tensors(const Bundle& bundle);
// Its config without what it says about packing.
[[nodiscard]] json::Value logical_config(const Bundle& bundle);

enum class Severity : std::uint8_t { error, warning };
[[nodiscard]] std::string_view severity_name(Severity severity);  // "error", "warning"; appears in JSON

struct Finding {
  Severity severity = Severity::error;
  std::string where;  // tensor, file or key
  std::string message;
};

}  // namespace jang::format
