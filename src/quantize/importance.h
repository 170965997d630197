// SPDX-License-Identifier: Apache-2.0
// Weights of the group fit: E[x_j^2] of every linear map's inputs, as measured by calibration (format/statistics.h), made safe to use.
//
//   h_j = m_j + 1e-4 mean(m),  m = E[x_j^2];  of an expert that saw n inputs: m = (n m_expert + 32 m_all) / (n + 32)
//
// Damping keeps channels that never fired in the fit; shrinking towards the mean over all experts keeps experts that saw little text from
// trusting it. Maps without statistics, and tables that are only looked up, stay unweighted.
#pragma once

#include <cstdint>
#include <vector>

#include "arch/arch.h"
#include "format/statistics.h"
#include "jang/status.h"

namespace jang::quantize {

class ChannelScales;  // channel_scales.h

class Importance {
 public:
  Importance() = default;  // unweighted
  // Errors: invalid_argument when the statistics are of another model.
  [[nodiscard]] static Result<Importance> create(const arch::Model& model, const format::Statistics& statistics);

  // For weights whose columns are multiplied by factors: inputs are then divided by them, h / s^2.
  void rescale(const ChannelScales& scales);

  // Weights [in] of the rows of expert `expert` (0 where there are no experts) of tensor `tensor`, or null.
  [[nodiscard]] const float* of(int tensor, std::int64_t expert) const;

 private:
  struct Rows {
    std::vector<float> values;  // [n, in]
    std::int64_t in = 0;
  };
  std::vector<Rows> by_tensor_;  // as arch::Model::tensors; empty: unweighted
};

// Fingerprint of the statistics of this model.
[[nodiscard]] std::string fingerprint(const arch::Model& model);

// Rows of one expert of a tensor seen as rows x columns; all rows for a matrix.
[[nodiscard]] inline std::int64_t rows_per_expert(const Shape& shape) { return shape.size() == 3 ? shape[1] : rows(shape); }

}  // namespace jang::quantize
