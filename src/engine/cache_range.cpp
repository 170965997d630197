// SPDX-License-Identifier: Apache-2.0
// Looks for the bit pattern of an infinity in the rows of new positions, which lie next to each other for every head.
#include "engine/cache_range.h"

#include <cstddef>
#include <cstring>

#include "model/sequence_state.h"

namespace jang::engine {
namespace {

bool has_infinity(const std::byte* values, std::int64_t n) {
  constexpr std::uint16_t kMagnitude = 0x7fff, kInfinity = 0x7c00;
  std::uint16_t found = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    std::uint16_t half = 0;
    std::memcpy(&half, values + 2 * i, 2);
    found = static_cast<std::uint16_t>(found | static_cast<std::uint16_t>((half & kMagnitude) == kInfinity));
  }
  return found != 0;
}

}  // namespace

bool overflows_float16(const model::Sequence& sequence, std::int64_t n) {
  model::Sequence::State& state = sequence.state();
  if (state.kv_type != kernels::KvType::f16) return false;
  const std::int64_t values = n * state.row_bytes / 2;
  for (std::size_t l = 0; l < state.kv.size(); ++l) {
    if (state.kv[l].capacity < state.length + n) continue;  // a recurrent layer
    for (std::int64_t h = 0; h < state.n_kv_heads; ++h) {
      const int layer = static_cast<int>(l);
      if (has_infinity(state.key_row(layer, h, state.length), values) || has_infinity(state.value_row(layer, h, state.length), values))
        return true;
    }
  }
  return false;
}

}  // namespace jang::engine
