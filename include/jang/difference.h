// SPDX-License-Identifier: Apache-2.0
// How two models differ: two bundles, two checkpoints, or a bundle and the checkpoint it was made of. Both are seen as the values they
// stand for, under the names that mlx-lm uses, so that how a model is stored makes no difference but in bits and bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "jang/export.h"
#include "jang/run_options.h"
#include "jang/status.h"

namespace jang {

// How one of the two stores a tensor.
struct TensorStorage {
  std::vector<std::int64_t> shape;
  int bits = 0;             // of a code; of an element where nothing is quantized
  int group_size = 0;       // 0: not quantized
  std::uint64_t bytes = 0;  // scales and biases counted
};

struct TensorChange {
  std::string name, role;
  TensorStorage first, second;
  // Where shapes are the same and values were read: squared difference over squared norm of the first (infinite where that is 0), and the
  // largest difference of two elements.
  std::optional<double> error, largest;
  bool same = false;
};

struct ConfigChange {
  std::string key;            // "text_config.rope_theta"
  std::string first, second;  // JSON; empty: absent
};

struct FileChange {
  std::string name;
  bool in_first = false, in_second = false;  // in both: the contents differ
};

struct ModelDifference {
  std::string first, second;                         // directories
  std::uint64_t first_bytes = 0, second_bytes = 0;   // of their weight files
  std::vector<ConfigChange> config;                  // how weights are packed left aside: tensors tell it
  std::vector<FileChange> files;                     // tokenizer, template and whatever else comes along with a conversion
  std::vector<std::string> only_first, only_second;  // tensors
  std::vector<TensorChange> tensors;                 // in both, the same ones too
  bool values = false;                               // they were compared
  [[nodiscard]] JANG_API bool same() const;
};

// `values`: reads the weights of both. Names are directories or org/name. Errors: not_found, corrupt (values that are not finite, too),
// unsupported, io, cancelled.
[[nodiscard]] JANG_API Result<ModelDifference> compare_models(const std::string& first, const std::string& second, bool values = true,
                                                              const RunOptions& run = {});
// As a JSON object: paths, same, config, files, only_first, only_second, tensors.
[[nodiscard]] JANG_API std::string to_json(const ModelDifference& difference);

}  // namespace jang
