// SPDX-License-Identifier: Apache-2.0
// Angles of a batch. The product of position and frequency is rounded to float32, as transformers does it; cosine and sine are exact for
// that angle.
#include <cmath>

#include "model/graph.h"

namespace jang::model {

bool make_rope_table(std::span<const BatchItem> batch, std::int64_t n, const arch::Rope& rope, const Parallel& parallel, RopeTable* table) {
  std::vector<std::int64_t> positions;
  positions.reserve(static_cast<std::size_t>(n));
  for (const BatchItem& item : batch)
    for (std::int64_t i = 0; i < item.n_tokens; ++i) positions.push_back(item.sequence->length() + i);
  if (positions == table->positions) return true;
  const std::int64_t half = rope.dims / 2;
  table->positions.clear();
  if (!table->cos.reserve(n * half) || !table->sin.reserve(n * half)) return false;
  parallel.run(n, half * 40, [&](std::int64_t i) {
    for (std::int64_t j = 0; j < half; ++j) {
      const float angle = static_cast<float>(positions[static_cast<std::size_t>(i)]) * rope.inv_freq[static_cast<std::size_t>(j)];
      table->cos.get()[i * half + j] = static_cast<float>(std::cos(static_cast<double>(angle))) * rope.attention_factor;
      table->sin.get()[i * half + j] = static_cast<float>(std::sin(static_cast<double>(angle))) * rope.attention_factor;
    }
  });
  table->positions = std::move(positions);
  return true;
}

}  // namespace jang::model
