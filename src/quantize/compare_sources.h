// SPDX-License-Identifier: Apache-2.0
// How two models differ, whatever they are stored as: both are described for one target, packed ones as the values they stand for, and
// compared tensor by tensor.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "jang/status.h"
#include "quantize/source.h"

namespace jang::quantize {

// Of one of the two.
struct StoredSide {
  Shape shape;
  int bits = 0;             // of a code; of an element where nothing is packed
  int group_size = 0;       // 0: not packed by a format of the codec
  std::uint64_t bytes = 0;  // in the files, scales and biases counted
  bool operator==(const StoredSide&) const = default;
};

struct TensorDifference {
  std::string name;
  std::string role;
  StoredSide first, second;
  // Of tensors of one shape: squared difference over the first's squared norm (infinite where that is 0), and the largest difference of
  // two elements; nullopt: not compared.
  std::optional<double> error, largest;
  [[nodiscard]] bool same() const { return first == second && error.value_or(0) == 0; }
};

struct ConfigDifference {
  std::string key;            // "text_config.rope_theta"
  std::string first, second;  // JSON; empty: absent
};

struct SourceDifference {
  std::vector<ConfigDifference> config;              // as the target spells both; how weights are packed is told by tensors
  std::vector<std::string> only_first, only_second;  // tensors
  std::vector<TensorDifference> tensors;             // in both, in the order of the first
};

// `values`: reads and compares them, a part at a time. Precondition: both were opened for the same target. Errors: those of reading;
// corrupt (a NaN or an infinity); cancelled.
[[nodiscard]] Result<SourceDifference> compare_sources(const Source& first, const Source& second, bool values, const RunOptions& run);

}  // namespace jang::quantize
