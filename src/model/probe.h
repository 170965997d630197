// SPDX-License-Identifier: Apache-2.0
// A view into a forward: the input of every linear map before it is applied, in a fixed order.
#pragma once

#include <span>
#include <string_view>

#include "kernels/device.h"

namespace jang::model {

class Probe {
 public:
  virtual ~Probe() = default;
  // x: [n, n_cols] on `device`, valid during the call. `modules`: all maps fed by this x at once ("...q_proj", "...k_proj", "...v_proj").
  // expert: index of the routed expert, -1 for others.
  virtual void input(std::span<const std::string_view> modules, int expert, kernels::Device& device, const kernels::Tensor& x) = 0;
};

}  // namespace jang::model
