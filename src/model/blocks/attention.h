// SPDX-License-Identifier: Apache-2.0
// Softmax attention with grouped queries:
//
//   q, k, v = W x;  q, k normalised per head (qk_norm), rotated by position;  k, v stored;  out = W_o (attention(q) [* sigmoid(gate)])
//
// With spec.gated q_proj gives, per head, key_dim query values followed by value_dim gate values. One map for all of q, k and v (spec.maps)
// is cut into the three. Of the spec: qk_norm_of_rows normalises a row of all heads at once, qk_norm_last normalises behind the rotation,
// and without a RoPE nothing is rotated; k_is_v takes what W_k gives as values too, v_norm divides the values of a head by their root mean
// square. With kv_of keys and values are those that an earlier layer has stored, and only queries are made here. Chunks (spec.chunk) are
// runs of their own, whose first position is that of the chunk.
#pragma once

#include <string>
#include <vector>

#include "model/forward.h"

namespace jang::model {

class Binder;

struct Attention {
  arch::AttentionSpec spec;
  Linear q, k, v, o;
  Linear qkv;                      // in the place of q, k and v unless these are apart
  kernels::Tensor q_norm, k_norm;  // [1, key_dim], or [1, row] of rows; absent without qk_norm
  kernels::Tensor sinks;           // [1, n_heads], or absent
};

// Where the columns of one map for all lie: columns [column, column + n) are [part_column, part_column + n) of queries (part 0), keys (1)
// or values (2).
struct QkvRange {
  std::size_t part = 0;
  std::int64_t column = 0, part_column = 0, n = 0;
};
[[nodiscard]] std::vector<QkvRange> qkv_ranges(const arch::AttentionSpec& spec);

// The runs of a batch cut where chunks of so many positions begin, each with the pages of its chunk, so that a row sees its chunk only;
// none with chunk 0.
class ChunkedRuns {
 public:
  ChunkedRuns(const Forward& f, std::int64_t chunk);
  [[nodiscard]] kernels::KvBatch kv(const Forward& f) const;
  std::vector<kernels::SequenceRun> runs;

 private:
  std::vector<std::span<const std::int32_t>> pages_;
};

// Keys and values, no states.
[[nodiscard]] LayerCache cache_of(const arch::AttentionSpec& spec);
// `prefix`: of the block's modules, with its dot. Errors: those of Binder; unsupported (a field of the spec that is not computed).
[[nodiscard]] Status bind_block(Binder& binder, const std::string& prefix, const arch::AttentionSpec& spec, Attention* block);
// Memory and rotations of a forward. Errors: out_of_memory.
[[nodiscard]] Status reserve(Forward& f, const Attention& block, int layer);
void run(Forward& f, const Attention& block, int layer);

}  // namespace jang::model
