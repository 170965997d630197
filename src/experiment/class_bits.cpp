// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "experiment/class_bits.h"

#include <algorithm>
#include <map>
#include <string>

namespace jang::experiment {

std::vector<ClassBits> class_bits(int n_layers, std::span<const TensorBits> tensors) {
  struct Sum {
    double bits = 0, values = 0;
  };
  std::vector<arch::Role> order;
  std::map<arch::Role, std::vector<Sum>> sums;  // by layer
  for (const auto& [tensor, bits] : tensors) {
    if (!tensor->quantizable) continue;
    if (!sums.contains(tensor->role)) order.push_back(tensor->role);
    std::vector<Sum>& layers = sums[tensor->role];
    layers.resize(std::max<std::size_t>(layers.size(), tensor->layer >= 0 ? static_cast<std::size_t>(n_layers) : 1));
    Sum& sum = layers[tensor->layer >= 0 ? static_cast<std::size_t>(tensor->layer) : 0];
    const auto values = static_cast<double>(elements(tensor->shape));
    sum.bits += values * bits;
    sum.values += values;
  }
  std::vector<ClassBits> classes;
  for (const arch::Role role : order) {
    ClassBits c{std::string(arch::to_string(role)), {}};
    for (const Sum& s : sums[role]) c.bits.push_back(s.values > 0 ? s.bits / s.values : -1);
    classes.push_back(std::move(c));
  }
  return classes;
}

json::Value to_json(const std::vector<ClassBits>& classes) {
  json::Value v = json::Value::object();
  for (const ClassBits& c : classes) v[c.name] = c.bits;
  return v;
}

}  // namespace jang::experiment
