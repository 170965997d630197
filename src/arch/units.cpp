// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "arch/units.h"

#include <map>
#include <string_view>

namespace jang::arch {

std::vector<Unit> units_of(const Model& model) {
  std::vector<Unit> units;
  std::map<std::string_view, std::size_t> by_name;
  for (std::size_t i = 0; i < model.tensors.size(); ++i) {
    const OutTensor& t = model.tensors[i];
    if (!t.quantizable) continue;
    const auto [at, is_new] = by_name.emplace(t.unit, units.size());
    if (is_new) units.push_back({t.unit, {}, t.role, t.layer, 0});
    Unit& unit = units[at->second];
    unit.tensors.push_back(static_cast<int>(i));
    unit.params += elements(t.shape);
  }
  return units;
}

}  // namespace jang::arch
