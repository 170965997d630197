// SPDX-License-Identifier: Apache-2.0
// A step of Adam for a packed matrix on the card (backward.h, train).
#pragma once

#include "kernels/cuda/launch.h"

namespace jang::kernels::cuda {

struct TrainedValues {
  float *value = nullptr, *first = nullptr, *second = nullptr;
};

// By groups, which lie one after the other: group g has values [g * group_size, (g + 1) * group_size).
struct PackedStepArgs {
  std::int64_t n_groups = 0;
  int group_size = 0, max_code = 0;
  DType stored = DType::f32;
  const float *scales0 = nullptr, *biases0 = nullptr;
  TrainedValues scales, biases, latents;
  const std::uint8_t* codes = nullptr;  // null: latents learn
  float *gradient = nullptr, *weights = nullptr;
  float scale_rate = 0, bias_rate = 0, latent_rate = 0;
  float correction1 = 1, correction2 = 1;  // of the moments
};

void train(const PackedStepArgs& step, Stream stream);

}  // namespace jang::kernels::cuda
