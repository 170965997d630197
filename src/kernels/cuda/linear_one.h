// SPDX-License-Identifier: Apache-2.0
// Packed maps of a single input, as a decoding step has them, together with the ops around them: the norm in front, the activation or the
// sum behind. The same bits as linear_fast.h and rows.h give one after the other.
#pragma once

#include "kernels/cuda/linear_fast.h"

namespace jang::kernels::cuda {

// The input: x, or with `normed` norm(x), which is written there. normed does not overlap x.
struct OneInput {
  const float* x = nullptr;
  float* normed = nullptr;
  const float* norm = nullptr;  // as AddNorm's; null: no factor
  float eps = 0, offset = 0;
};

// What follows the maps, one of the two at most. Neither output overlaps the input.
struct OneFollower {
  float* sum = nullptr;    // of one map: sum += y
  float* gated = nullptr;  // of two maps of equal shape: gated = act(first y) * second y; may be either y
  int activation = 0;      // as glu's
};

[[nodiscard]] bool one_supports(const FastMap* maps, int n_maps, bool gated);

// Maps that linear_fast takes together. The y of every map is written too.
void linear_one(const FastMap* maps, int n_maps, const OneInput& input, const OneFollower& follower, int multiprocessors, Stream stream);

}  // namespace jang::kernels::cuda
