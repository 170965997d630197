// SPDX-License-Identifier: Apache-2.0
// Kernels of the gradients of ops on rows and of routing (kernels/backward.h).
#pragma once

#include "kernels/cuda/launch.h"

namespace jang::kernels::cuda {

// dtable[ids[i] - first] += scale * dout[i], in the order of i. `rows`: of dtable.
struct EmbedBackArgs {
  const std::int32_t* ids = nullptr;
  std::int64_t n = 0, columns = 0, first = 0, rows = 0;
  float scale = 1;
  Rows dout, dtable;
};
void embed_back(const EmbedBackArgs& a, Stream stream);

// to += x
void add_rows(const Rows& x, const Rows& to, std::int64_t n, std::int64_t columns, Stream stream);

// dlogits *= 1 - (logits / cap)^2
void soft_cap_back(const Rows& logits, float cap, const Rows& dlogits, std::int64_t n, std::int64_t columns, Stream stream);

struct NormBackArgs {
  Rows x, dout, dx;  // dx may be dout, unless it is added to
  const float* norm = nullptr;
  std::int64_t n = 0, columns = 0;
  float eps = 0, offset = 0;
  bool centred = false, add = false;
};
void norm_back(const NormBackArgs& a, Stream stream);

// 0 silu, 1 gelu_tanh, 2 sigmoid, 3 gelu, 4 relu2, 5 identity. dgate and dup may be any of the inputs; up and dup may be null together.
struct GluBackArgs {
  Rows gate, up, dout, dgate, dup;
  std::int64_t n = 0, columns = 0;
  int activation = 0;
};
void glu_back(const GluBackArgs& a, Stream stream);

void add_gated_back(const Rows& x, const Rows& gate, const Rows& dout, const Rows& dx, const Rows& dgate, std::int64_t n,
                    std::int64_t columns, Stream stream);

// Null addresses stand for absent tensors, as in RopeGradient.
struct RopeBackArgs {
  Rows x, cosines, sines, d;
  const float* norm = nullptr;
  std::int64_t n = 0, heads = 0, head_dim = 0, half = 0;
  float eps = 0, offset = 0;
  bool interleaved = false, norm_last = false;  // norm_last: x is overwritten by the rotated heads
};
void rope_back(const RopeBackArgs& a, Stream stream);

struct CombineBackArgs {
  Rows x, weights, dout, dx, dweights;
  const std::int32_t* slots = nullptr;  // [n, top_k], contiguous
  std::int64_t n = 0, columns = 0, top_k = 0;
};
void combine_back(const CombineBackArgs& a, Stream stream);

struct RouteBackArgs {
  Rows logits, dweights, dlogits;
  const std::int32_t* slots = nullptr;  // [n, top_k], contiguous
  const std::int32_t* begin = nullptr;  // [experts + 1]
  std::int64_t n = 0;
  std::int32_t experts = 0, top_k = 0;
  bool normalized = false;
};
void route_back(const RouteBackArgs& a, Stream stream);

// dx[t] += sum over choices of dslots[slots[t, c]], in the order of choice.
void sum_slots(const Rows& dslots, const std::int32_t* slots, std::int64_t top_k, const Rows& dx, std::int64_t n, std::int64_t columns,
               Stream stream);

}  // namespace jang::kernels::cuda
