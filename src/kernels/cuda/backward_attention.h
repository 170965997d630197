// SPDX-License-Identifier: Apache-2.0
// The part of the gradient of attention that is no matrix product: probabilities and their gradients, a row of scores at a time.
#pragma once

#include "kernels/cuda/launch.h"

namespace jang::kernels::cuda {

// Some queries of a head, a row each: query i sees keys j <= i + shift, with a window those behind i + shift - window.
struct Scores {
  float* p = nullptr;   // q k^T, becomes softmax(cap(scale * .)), zero where the query does not see; rows lie `columns` apart
  float* ds = nullptr;  // dout v^T, becomes the gradient of q k^T
  std::int32_t rows = 0, columns = 0, shift = 0;
};
struct ScoreArgs {
  const Scores* scores = nullptr;  // on the card
  std::int32_t window = 0;
  float scale = 1, softcap = 0;
};
// `n` of them, of at most `most_rows` rows.
void scores_back(const ScoreArgs& a, std::int64_t n, std::int64_t most_rows, Stream stream);

}  // namespace jang::kernels::cuda
