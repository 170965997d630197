// SPDX-License-Identifier: Apache-2.0
// Gram matrices of inputs that are divided, channel by channel, by what the columns of the weights are multiplied by:
//
//   H'[i, j] = H[i, j] / (s_i s_j),  U'[i, j] = U[i, j] s_j,  so that again inverse(H') = U'^T U'
//
// tr(D' H' D'^T) of an error D' of the multiplied weights is what the error D' / s does to the outputs of the model; damping stays what it
// was in the channels of the model.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "quantize/channel_scales.h"
#include "quantize/grams.h"

namespace jang::quantize {

// `factors`: [gram.n]. The factor U is left out where the matrix has none. Errors: out_of_memory.
[[nodiscard]] Result<kernels::Gram> scaled_gram(const kernels::Gram& gram, const float* factors);

class ScaledGrams final : public Grams {
 public:
  // All three outlive this.
  ScaledGrams(Grams& grams, const arch::Model& model, const ChannelScales& scales) : grams_(grams), model_(model), scales_(scales) {}

  [[nodiscard]] Status prepare(int stage) override;
  [[nodiscard]] const kernels::Gram* of(int tensor, std::int64_t expert) const override;

 private:
  Grams& grams_;
  const arch::Model& model_;
  const ChannelScales& scales_;
  std::map<const kernels::Gram*, kernels::Gram> scaled_;  // of the stage; maps that share an input share its scales
};

}  // namespace jang::quantize
