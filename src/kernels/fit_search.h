// SPDX-License-Identifier: Apache-2.0
// The constants of the group fit, shared by the reference and every instruction set: which range ends are tried, how often scale and bias
// are refitted. The method and how these numbers were chosen: docs/codecs.md.
//
// For grid values a, c: low = lo + a*u, high = hi - c*u, u = (hi - lo)/max_code; codes from (low, high); then `grid_refits` rounds of
// {least squares, round to storage, re-code, score}. The best candidate gets `final_refits` more, then `neighbour_rounds` rounds over the
// storage neighbours of its scale and bias.
#pragma once

#include "base/check.h"
#include "codec/affine.h"
#include "tensor/dtype.h"

namespace jang::kernels {

struct FitSearch {
  int bits;
  float grid[6];  // in code units; negative widens the range
  int grid_refits, final_refits, neighbour_rounds;
  float least_symmetric;  // of symmetric groups: where the list of scales begins (symmetric_factor)
};

inline constexpr FitSearch kFitSearch[] = {
    {2, {-0.4f, -0.2f, 0.0f, 0.2f, 0.5f, 0.8f}, 2, 2, 1, 0.4f},    {3, {-0.4f, -0.1f, 0.2f, 0.5f, 0.8f, 1.2f}, 2, 2, 1, 0.5f},
    {4, {-0.4f, 0.0f, 0.4f, 0.8f, 1.2f, 1.7f}, 2, 2, 1, 0.6f},     {5, {-0.9f, -0.45f, 0.0f, 0.45f, 0.9f, 1.35f}, 2, 2, 2, 0.7f},
    {6, {-0.9f, -0.45f, 0.0f, 0.45f, 0.9f, 1.35f}, 2, 2, 2, 0.8f}, {8, {-0.9f, -0.45f, 0.0f, 0.45f, 0.9f, 1.35f}, 2, 2, 2, 0.8f},
};

[[nodiscard]] inline const FitSearch& fit_search(int bits) {
  for (const FitSearch& s : kFitSearch)
    if (s.bits == bits) return s;
  JANG_CHECK(!"a width of kFitSearch");
  return kFitSearch[0];
}

// Symmetric groups have one free number, so the grid is a list: kSymmetricSteps scales of either sign, from `least_symmetric` to
// kMostSymmetric times the scale that reaches the largest weight.
inline constexpr int kSymmetricSteps = 18;
inline constexpr float kMostSymmetric = 1.05f;
[[nodiscard]] inline float symmetric_factor(const FitSearch& search, int step) {
  const float least = search.least_symmetric;
  return least + (kMostSymmetric - least) * static_cast<float>(step) / static_cast<float>(kSymmetricSteps - 1);
}

// The fit replaces the min/max solution only when its squared error is below this fraction of the other's: the margin covers the rounding
// of whoever recomputes both errors in other arithmetic.
inline constexpr double kMustBeat = 1.0 - 0x1p-16;

// Relative change that moves a value to its neighbour in `dtype`, for every mantissa: 0.7 to 1.4 units in the last place.
[[nodiscard]] constexpr float neighbour_step(DType dtype) {
  switch (dtype) {
    case DType::bf16: return 1.4f * 0x1p-8f;
    case DType::f16: return 1.4f * 0x1p-11f;
    default: return 1.4f * 0x1p-24f;
  }
}

// Importance of one group as the fit uses it; all ones when the group's importance is zero (an input never seen: fall back to unweighted).
inline void load_importance(const float* importance, int group_size, float* h) {
  float sum = 0;
  for (int j = 0; j < group_size; ++j) sum += importance[j];
  for (int j = 0; j < group_size; ++j) h[j] = sum > 0 ? importance[j] : 1.0f;
}

}  // namespace jang::kernels
