// SPDX-License-Identifier: Apache-2.0
// What the tensors of a class have in bits, layer by layer: the table of bits of a comparison.
#pragma once

#include <span>
#include <vector>

#include "arch/arch.h"
#include "jang/compare.h"
#include "json/json.h"

namespace jang::experiment {

struct TensorBits {
  const arch::OutTensor* tensor;
  double bits;  // of a value
};

// Mean bits per value by class and layer of the quantizable tensors, classes in the order of their first tensor. A class outside of layers
// has one entry; -1: no such tensor in the layer.
[[nodiscard]] std::vector<ClassBits> class_bits(int n_layers, std::span<const TensorBits> tensors);

// An object of lists, a class to a key.
[[nodiscard]] json::Value to_json(const std::vector<ClassBits>& classes);

}  // namespace jang::experiment
