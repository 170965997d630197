// SPDX-License-Identifier: Apache-2.0
// Factors that a conversion by the method awq puts on rows and columns of tensors: s of every group of channels, from the exponent that the
// plan has for it and the mean squares that calibration measured, folded into what makes the channels and what reads them.
//
//   x_c = sqrt(m_c + 1e-4 mean(m)),  m_c = E[x_c^2], the mean over the columns that read channel c
//   w_c = a_c + 1e-4 mean(a),        a_c = mean of |w| over the rows of all packed readers, in the columns that read channel c
//   t_c = x_c^r / w_c^q,  s_c = t_c / sqrt(max(t) min(t)), rounded to bfloat16            AWQ (arXiv 2306.00978) with root mean squares;
//                                                                                         q > 0 as AutoAWQ's duo scaling
//
// A matrix that makes channels has its rows divided by s, which is exact but for float. The weights of a norm are stored in 16 bits, so
// what is stored decides: g' = round((g + offset) / s - offset), and readers are multiplied by (g + offset) / (g' + offset). Channels whose
// gain is so small that this would be far from s keep s = 1. So do all channels of an expert that saw fewer than 32 inputs.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "arch/scale_groups.h"
#include "format/statistics.h"
#include "jang/status.h"
#include "plan/plan.h"
#include "quantize/source.h"

namespace jang::quantize {

// Inputs that an expert must have seen for scales of its own.
inline constexpr std::int64_t kLeastExpertInputs = 32;

// Of one tensor seen as rows x columns; empty: 1.
struct TensorScales {
  std::vector<float> rows;     // [all rows]
  std::vector<float> columns;  // [experts or 1, columns]
  std::vector<float> values;   // the weights of a norm as they are stored, in the place of the source's
  std::int64_t n_columns = 0, rows_per_expert = 0;

  [[nodiscard]] const float* columns_of(std::int64_t expert) const {
    if (columns.empty()) return nullptr;
    return columns.data() + (static_cast<std::int64_t>(columns.size()) > n_columns ? expert * n_columns : 0);
  }
  // Multiplies elements [begin, begin + values.size()) of the tensor. Precondition: it is no norm.
  void apply(std::int64_t begin, std::span<float> values) const;
};

// What is known of the inputs of a group.
struct GroupInputs {
  std::vector<double> mean_square;   // [n, channels]
  std::vector<std::int64_t> tokens;  // [n]
  std::vector<double> weights{};     // mean sizes of weights [n, channels]; empty: not asked for
};
// Exponents of the inputs and of the weights.
struct Exponents {
  double inputs = 0, weights = 0;
};
// None where no statistics tell of the channels. Precondition: the statistics are of this model.
[[nodiscard]] std::optional<GroupInputs> group_inputs(const arch::Model& model, const arch::ScaleGroup& group,
                                                      const format::Statistics& statistics);
// Mean sizes of the weights that read the channels of a group, over its packed readers. Reads them. Errors: those of reading.
[[nodiscard]] Result<std::vector<double>> weight_sizes(const Source& source, const plan::Plan& plan, const arch::ScaleGroup& group);
// Experts whose channels keep 1.
[[nodiscard]] std::int64_t experts_left(const arch::ScaleGroup& group, const GroupInputs& inputs);

// The factors of one group: what readers are multiplied by, [n, channels], and of a norm the weights to be stored.
struct GroupScales {
  std::vector<float> factors;
  std::vector<float> norm;
};
// `gains`: the weights of the group's norm as the source has them (OutTensor::add not added); empty for other producers. `offset`: of the
// model's norms. `stored`: type of the norm's weights in the bundle. Preconditions: both exponents in [0, 1]; inputs.weights are there
// where theirs is not 0.
[[nodiscard]] GroupScales group_scales(const arch::Model& model, const arch::ScaleGroup& group, const GroupInputs& inputs,
                                       Exponents exponents, std::span<const float> gains, float offset, DType stored);

class ChannelScales {
 public:
  ChannelScales() = default;  // none
  // As plan.scaling says. Reads the norms. Errors: invalid_argument (a group that the model does not have, or that cannot be folded, named;
  // statistics of another model, or without its inputs), those of reading.
  [[nodiscard]] static Result<ChannelScales> create(const Source& source, const plan::Plan& plan, const format::Statistics& statistics);

  // Null where nothing is rescaled.
  [[nodiscard]] const TensorScales* of(int tensor) const;
  [[nodiscard]] bool empty() const { return by_tensor_.empty(); }
  // Folds one group.
  void fold(const arch::Model& model, const arch::ScaleGroup& group, const GroupScales& scales);

 private:
  std::vector<TensorScales> by_tensor_;
};

// The weights of a group's norm as the source has them; empty for other producers.
[[nodiscard]] Result<std::vector<float>> norm_weights(const Source& source, const arch::ScaleGroup& group);

}  // namespace jang::quantize
