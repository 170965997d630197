// SPDX-License-Identifier: Apache-2.0
// The units of a model: what planning, measuring and calibration decide about. Tensors with one OutTensor::unit share bits and group,
// because a loader runs them as one matrix or keeps one choice for them (fused gate and up, halves of one source tensor).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "arch/arch.h"

namespace jang::arch {

struct Unit {
  std::string name;           // OutTensor::unit
  std::vector<int> tensors;   // indices into Model::tensors, ascending; at least one
  Role role = Role::unknown;  // of the first tensor, as is the layer
  int layer = -1;             // -1: embedding or head
  std::int64_t params = 0;    // elements of all its tensors
};

// The units of all tensors that can be quantized, in graph order: by their first tensor. Linear in the tensors, up to a look-up by name.
[[nodiscard]] std::vector<Unit> units_of(const Model& model);

}  // namespace jang::arch
