// SPDX-License-Identifier: Apache-2.0
// Layout constants are pixels of the view box.
#include "experiment/heat_map.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "experiment/svg.h"

namespace jang::experiment {
namespace {

constexpr double kHeatRight = 836, kHeatTop = 26, kHeatNames = 150, kHeatRow = 20;
constexpr double kWidestCell = 34, kLabelledCell = 20, kNumberedCell = 16;

}  // namespace

std::string heat_map(std::string_view title, const std::vector<HeatRow>& rows) {
  std::size_t n_layers = 1;
  for (const HeatRow& row : rows) n_layers = std::max(n_layers, row.cells.size());
  const double cell = std::min(kWidestCell, (kHeatRight - kHeatNames) / static_cast<double>(n_layers));
  Svg svg(kHeatNames + cell * static_cast<double>(n_layers) + 10, kHeatTop + kHeatRow * static_cast<double>(rows.size()) + 8, title);
  const std::size_t every = cell >= kNumberedCell ? 1 : static_cast<std::size_t>(std::ceil(kNumberedCell / cell));
  for (std::size_t l = 0; l < n_layers && n_layers > 1; l += every)
    svg.text(kHeatNames + cell * (static_cast<double>(l) + 0.5), kHeatTop - 8, fmt::format("{}", l), "tick", Anchor::middle);
  const double gap = std::min(1.0, cell / 8);
  double y = kHeatTop;
  for (const HeatRow& row : rows) {
    svg.text(kHeatNames - 8, y + kHeatRow * 0.7, row.name, "tick", Anchor::end);
    for (std::size_t l = 0; l < row.cells.size(); ++l) {
      const HeatCell& c = row.cells[l];
      if (c.shade == 0) continue;
      const double x = kHeatNames + cell * static_cast<double>(l);
      const std::string place = row.cells.size() > 1 ? fmt::format("{}, layer {}", row.name, l) : row.name;
      svg.rect(x + gap, y + 1, cell - 2 * gap, kHeatRow - 2, fmt::format("b{}", c.shade), fmt::format("{}: {}", place, c.tooltip));
      if (cell >= kLabelledCell) svg.text(x + cell / 2, y + kHeatRow * 0.7, c.label, "cell", Anchor::middle);
    }
    y += kHeatRow;
  }
  return svg.str();
}

}  // namespace jang::experiment
