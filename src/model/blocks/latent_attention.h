// SPDX-License-Identifier: Apache-2.0
// Multi-head latent attention (arch::LatentSpec). What is kept of a position is one row [r, c] for all heads, and the keys of the heads are
// never made: with W_kvb,h = [K_h; V_h],
//
//   q_h . (K_h c) = (K_h^T q_h) . c        sum_j p_j (V_h c_j) = V_h (sum_j p_j c_j)
//
// so every head asks with [p_h, K_h^T q_h], all of one key-value head of row() values, and V_h is applied to what it gets (DeepSeek-V2,
// section 2.1.2: absorbed). The row is kept a second time as values, of which the part of c counts.
#pragma once

#include <string>

#include "model/forward.h"

namespace jang::model {

class Binder;

struct LatentAttention {
  arch::LatentSpec spec;
  Linear q;                             // of x; exists without q_rank
  Linear q_a, q_b;                      // to the queries' latent and from it; exist with q_rank
  Linear kv_a, kv_b, o;                 // kv_b has slices: K_h, V_h
  kernels::Tensor q_norm, latent_norm;  // [1, q_rank], [1, kv_rank]
};

[[nodiscard]] LayerCache cache_of(const arch::LatentSpec& spec);
// Errors: those of Binder; unsupported (a device without gradients: K_h^T is one).
[[nodiscard]] Status bind_block(Binder& binder, const std::string& prefix, const arch::LatentSpec& spec, LatentAttention* block);
[[nodiscard]] Status reserve(Forward& f, const LatentAttention& block, int layer);
void run(Forward& f, const LatentAttention& block, int layer);

// Columns of the rotated parts, between the order of the maps (neighbours are pairs when interleaved) and that of the rotation (halves):
// appends the copies of one part that starts at from_column, and at to_column of `to`.
void add_to_halves(const arch::LatentSpec& spec, std::int64_t from_column, const kernels::Tensor& to, std::int64_t to_column,
                   std::vector<kernels::ColumnCopy>* copies);
void add_from_halves(const arch::LatentSpec& spec, std::int64_t from_column, const kernels::Tensor& to, std::int64_t to_column,
                     std::vector<kernels::ColumnCopy>* copies);

}  // namespace jang::model
