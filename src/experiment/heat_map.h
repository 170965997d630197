// SPDX-License-Identifier: Apache-2.0
// A value for every class of tensors (rows) and layer (columns), as shades.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace jang::experiment {

inline constexpr int kWarmest = 2, kCoolest = 9;  // shades: the classes b2 to b9 of the style sheet

struct HeatCell {
  int shade = 0;        // 0: nothing is there
  std::string label;    // short, drawn where the cell is wide enough
  std::string tooltip;  // the value with its unit; class and layer are put before it
};

struct HeatRow {
  std::string name;
  std::vector<HeatCell> cells;  // by layer; one for a class outside of layers
};

[[nodiscard]] std::string heat_map(std::string_view title, const std::vector<HeatRow>& rows);

}  // namespace jang::experiment
