// SPDX-License-Identifier: Apache-2.0
// Kernels of the gradients of convolution and gated delta rule over whole texts (kernels/backward.h).
#pragma once

#include "kernels/cuda/launch.h"
#include "kernels/cuda/recurrent.h"

namespace jang::kernels::cuda {

// x, dout, dx: [rows, channels], contiguous; weight: [channels, kernel]; dout is overwritten. The runs have no states.
void conv_back(const float* x, const float* weight, float* dout, float* dx, std::int64_t channels, std::int64_t kernel, bool silu,
               const Runs& texts, Stream stream);

// Largest states.
inline constexpr std::int32_t kMostDeltaKeys = 256, kMostDeltaValues = 256;
// Tokens between states that are kept; those between are computed once more on the way back.
inline constexpr int kDeltaChunk = 32;

// One value head of one text.
struct DeltaTask {
  std::int32_t first_row = 0, n_rows = 0, head = 0;
  float* states = nullptr;  // delta_floats() of them
};
[[nodiscard]] std::int64_t delta_floats(const DeltaShape& s, std::int64_t n_rows);

struct DeltaBackArgs {
  DeltaShape shape;
  const float* qkv = nullptr;       // as delta_prepare() leaves it, and
  const float* ba = nullptr;        // the gates
  const float* given_ba = nullptr;  // as Delta was given it
  const float* a_log = nullptr;
  const float* dt_bias = nullptr;
  const float* dout = nullptr;
  float* dqkv = nullptr;  // values are written
  float* dba = nullptr;
  float* dq = nullptr;  // [rows, value_heads, key_dim]: of normalised queries and keys, for every value head
  float* dk = nullptr;
  const DeltaTask* tasks = nullptr;  // on the card
};
void delta_back(const DeltaBackArgs& a, int n, Stream stream);

// From dq and dk, summed over the value heads of a key head, through their norms into dqkv. qkv: as Delta was given it.
void delta_norms_back(const DeltaShape& s, const float* qkv, const float* dq, const float* dk, float* dqkv, std::int64_t n, Stream stream);

}  // namespace jang::kernels::cuda
