// SPDX-License-Identifier: Apache-2.0
// What is left out of the sensitivities when the time for them is short. Pure arithmetic.
#pragma once

#include <cstddef>

namespace jang::calibrate {

struct Economy {
  std::size_t n_widths = 0;  // at which a unit is tried
  int layer_stride = 1;      // every stride-th layer is tried, and the last
};

// pass_seconds: all units of all layers at one width. budget_seconds: 0 for no limit. Layers go first: a layer left out borrows the curve
// of a neighbour, which is close, while a curve through fewer widths is wrong at the others. Some layers and two widths are kept as long as
// that fits; one width and one layer are measured whatever the budget. Preconditions: n_widths > 0.
[[nodiscard]] Economy economise(double pass_seconds, std::size_t n_widths, int n_layers, double budget_seconds);

}  // namespace jang::calibrate
