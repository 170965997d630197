// SPDX-License-Identifier: Apache-2.0
// Cuts in the order in which they hurt least.
#include "calibrate/economy.h"

#include <algorithm>

namespace jang::calibrate {
namespace {

constexpr int kSomeLayers = 6;

}  // namespace

Economy economise(double pass_seconds, std::size_t n_widths, int n_layers, double budget_seconds) {
  Economy e{n_widths, 1};
  if (budget_seconds <= 0) return e;
  const auto fits = [&] { return pass_seconds * static_cast<double>(e.n_widths) / e.layer_stride <= budget_seconds; };
  const auto cut_layers = [&](int most) {
    while (e.layer_stride < most && !fits()) ++e.layer_stride;
  };
  const auto cut_widths = [&](std::size_t least) {
    while (e.n_widths > least && !fits()) --e.n_widths;
  };
  cut_layers(std::max(n_layers / kSomeLayers, 1));
  cut_widths(2);
  cut_layers(std::max(n_layers, 1));
  cut_widths(1);
  return e;
}

}  // namespace jang::calibrate
