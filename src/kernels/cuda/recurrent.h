// SPDX-License-Identifier: Apache-2.0
// Kernels of convolution and gated delta rule (device.h: Conv, Delta).
#pragma once

#include "kernels/cuda/launch.h"

namespace jang::kernels::cuda {

// Runs of one launch; x and out: [rows, channels], contiguous; weight: [channels, kernel]. The states of the runs are updated.
void conv(const float* x, float* out, const float* weight, std::int64_t channels, std::int64_t kernel, bool silu, const Runs& runs,
          Stream stream);

struct DeltaShape {
  std::int32_t key_heads = 0, value_heads = 0, key_dim = 0, value_dim = 0;
  [[nodiscard]] std::int64_t q_size() const { return static_cast<std::int64_t>(key_heads) * key_dim; }
  [[nodiscard]] std::int64_t columns() const { return 2 * q_size() + static_cast<std::int64_t>(value_heads) * value_dim; }
};
// Norms of queries and keys, beta and log decay of n tokens, in place.
void delta_prepare(const DeltaShape& s, float* qkv, float* ba, const float* a_log, const float* dt_bias, std::int64_t n, Stream stream);
void delta_rule(const DeltaShape& s, const float* qkv, const float* ba, float* out, const Runs& runs, Stream stream);

// Largest key_dim that delta_rule() has memory for.
inline constexpr std::int32_t kMostKeyDim = 512;

}  // namespace jang::kernels::cuda
