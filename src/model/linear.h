// SPDX-License-Identifier: Apache-2.0
// A linear map of the graph by its module path: one matrix, or one per expert, and what the device made of them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/device.h"

namespace jang::model {

// Some rows of every `period` of a matrix as a weight of one matrix per period: those of heads, say.
struct RowSlices {
  std::int64_t period = 0, begin = 0, n_rows = 0;
  std::unique_ptr<kernels::Weight> weight;
};

struct Linear {
  std::string module;
  std::vector<kernels::MatrixView> views;  // all of one shape and format
  kernels::Precision precision = kernels::Precision::exact;
  std::span<const float> bias;  // [n_rows] of each matrix, or empty
  std::int64_t n_rows = 0, n_cols = 0;
  std::int64_t n_active = 1;  // matrices that a token goes through
  std::unique_ptr<kernels::Weight> weight;
  std::vector<RowSlices> slices;  // made ready with the whole; of a map of one matrix without bias

  [[nodiscard]] bool exists() const { return weight != nullptr; }
};

}  // namespace jang::model
