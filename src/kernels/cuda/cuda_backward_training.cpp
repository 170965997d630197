// SPDX-License-Identifier: Apache-2.0
// Steps of Adam: tensors become addresses.
#include "codec/affine.h"
#include "kernels/cuda/backward_training.h"
#include "kernels/cuda/cuda_backward.h"

namespace jang::kernels::cuda {
namespace {

TrainedValues values_of(const Trained& t) {
  if (!t.value.exists()) return {};
  return {address(t.value), address(t.first), address(t.second)};
}

}  // namespace

void CudaBackward::train(const PackedStep& step) {
  PackedStepArgs a;
  a.n_groups = step.scales0.rows * step.scales0.columns;
  a.group_size = step.group_size;
  a.max_code = codec::max_code(step.bits);
  a.stored = step.stored;
  a.scales0 = address(step.scales0);
  a.biases0 = address(step.biases0);
  a.scales = values_of(step.scales);
  a.biases = values_of(step.biases);
  a.latents = values_of(step.latents);
  if (step.codes.exists()) a.codes = address<std::uint8_t>(step.codes);
  if (step.gradient.exists()) a.gradient = address(step.gradient);
  a.weights = address(step.weights);
  a.scale_rate = step.scale_rate;
  a.bias_rate = step.bias_rate;
  a.latent_rate = step.latent_rate;
  const AdamCorrections corrections(step.t);
  a.correction1 = corrections.first;
  a.correction2 = corrections.second;
  cuda::train(a, device_.stream());
  device_.launched("a step of training");
}

}  // namespace jang::kernels::cuda
