// SPDX-License-Identifier: Apache-2.0
// What is behind a Sequence, for the blocks that read and write it.
//
//   keys, values of a layer: [kv head][position][row], rows of kernels::kv_row_bytes; positions of one head are contiguous
//   convolution state: the last conv_kernel - 1 inputs, oldest first; delta state: [value head][key dim][value dim]
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/aligned_buffer.h"
#include "model/sequence.h"

namespace jang::model {

struct KvCache {
  AlignedBuffer<std::byte> keys, values;
  std::int64_t capacity = 0;  // positions
};

struct DeltaCache {
  AlignedBuffer<float> conv, delta;  // empty before the first token
  std::int64_t position = 0;         // tokens taken in
};

struct Sequence::State {
  kernels::KvType kv_type = kernels::KvType::f32;
  std::int64_t n_kv_heads = 0, row_bytes = 0;
  arch::DeltaConfig delta_config;
  std::int64_t length = 0;
  std::vector<KvCache> kv;        // by layer; untouched for other kinds of layers
  std::vector<DeltaCache> delta;  // by layer

  [[nodiscard]] std::int64_t conv_values() const { return (delta_config.conv_kernel - 1) * delta_config.conv_channels(); }
  [[nodiscard]] std::int64_t delta_values() const { return delta_config.value_heads * delta_config.key_dim * delta_config.value_dim; }
  // Room for `positions` positions in a layer; what is stored stays. False when there is no memory.
  [[nodiscard]] bool reserve_kv(int layer, std::int64_t positions);
  // Zero states of a recurrent layer that has none yet. False when there is no memory.
  [[nodiscard]] bool reserve_delta(int layer);
  [[nodiscard]] std::byte* key_row(int layer, std::int64_t head, std::int64_t position) {
    KvCache& c = kv[static_cast<std::size_t>(layer)];
    return c.keys.get() + (head * c.capacity + position) * row_bytes;
  }
  [[nodiscard]] std::byte* value_row(int layer, std::int64_t head, std::int64_t position) {
    KvCache& c = kv[static_cast<std::size_t>(layer)];
    return c.values.get() + (head * c.capacity + position) * row_bytes;
  }
};

}  // namespace jang::model
