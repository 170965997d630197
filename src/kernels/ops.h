// SPDX-License-Identifier: Apache-2.0
// The row ops of inference, one table per instruction set, and the kernels of linear maps, chosen per matrix format.
//
// Every function here runs on the calling thread; the model splits work over threads (rows of a matrix, heads, tokens). Activations are
// float32. ref/ defines every op in plain scalar code; other backends agree with it within tolerances that tests derive from eps and the
// length of the sums. A backend need not be bit-identical to another, but every op is deterministic: the same call gives the same bits, and
// the result for one row of the batch does not depend on the other rows of the batch or on how rows of the matrix are split. Exact linear
// kernels and attention of one backend keep that down to a batch of one: prefill and decode give the same bits.
// Outputs do not overlap inputs unless an op says that they may. Arrays of floats are aligned to floats, stored weights to nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "kernels/kv_cache.h"
#include "kernels/matrix.h"
#include "kernels/precision.h"

namespace jang::kernels {

// y = x W^T for one storage format. Inputs are first brought into the kernel's own layout, once per distinct x: maps that share x and
// MatrixFormat share the prepared rows.
struct LinearKernel {
  std::string_view name;  // "avx512_vnni"
  Precision precision = Precision::exact;
  bool (*available)() = nullptr;  // on this machine
  bool (*supports)(const MatrixFormat& format) = nullptr;
  // Bytes of one prepared input row; rows are stored at this distance. A multiple of 64.
  std::int64_t (*input_bytes)(const MatrixFormat& format, std::int64_t n_cols) = nullptr;
  // Prepares one row of x [n_cols] into `out` (64-byte aligned).
  void (*prepare)(const MatrixFormat& format, const float* x, std::int64_t n_cols, std::byte* out) = nullptr;
  // y[i*y_stride + r] = sum_c W[r, c] x_i[c] for all rows r of `w` and i in [0, n). `inputs`: n prepared rows, 64-byte aligned.
  // n = 1 is decode; large n is prefill. A kernel may have a form for few and one for many inputs, whose sums differ by rounding: the
  // result for an input is then the same for every n on one side of that kernel's limit.
  void (*matmul)(const MatrixView& w, const std::byte* inputs, std::int64_t n, float* y, std::int64_t y_stride) = nullptr;
};

// Softmax attention of the query heads that share one key-value head, for n_queries consecutive positions of one sequence.
//   out[i, h] = sum_j softmax_j(cap(scale * q[i, h] . k[j])) v[j],   j over visible positions: j <= p, and j > p - window when window > 0
// where p = first_position + i and cap(s) = softcap * tanh(s / softcap), or s when softcap == 0.
struct AttentionArgs {
  const float* q = nullptr;  // query i, head h of the group, at q + i*q_stride + h*head_dim
  std::int64_t q_stride = 0;
  std::int64_t n_queries = 0, first_position = 0;
  std::int64_t n_heads = 0;  // of the group
  std::int64_t head_dim = 0;
  KvType kv_type = KvType::f32;
  // Position p of this head: rows of kv_row_bytes at pages[p / kPagePositions] + k_offset (v_offset), row p % kPagePositions.
  const std::byte* const* pages = nullptr;
  std::int64_t k_offset = 0, v_offset = 0;
  std::int64_t window = 0;
  float scale = 1, softcap = 0;
  const float* sinks = nullptr;  // [n_heads] scores of no value in the softmax, or null
  float* out = nullptr;          // same layout as q, its own stride
  std::int64_t out_stride = 0;
};

// Linear recurrence of one value head over n consecutive tokens, the state carried along. With `corrects` the gated delta rule (Gated
// DeltaNet, arXiv 2412.06464), without it the scan of Mamba2 (arXiv 2405.21060), whose B is k, whose C is q and whose step is beta:
//   S <- exp(g_t) S;  S <- S + k_t (beta_t (v_t - S^T k_t))^T;  out_t = S^T q_t + skip v_t            (corrects)
//   S <- exp(g_t) S;  S <- S + k_t (beta_t v_t)^T;              out_t = S^T q_t + skip v_t
struct DeltaArgs {
  bool corrects = true;
  float skip = 0;
  std::int64_t n = 0, key_dim = 0, value_dim = 0;
  const float* q = nullptr;  // [n, key_dim] at stride qk_stride: already normalised and scaled
  const float* k = nullptr;
  std::int64_t qk_stride = 0;
  const float* v = nullptr;  // [n, value_dim] at stride v_stride
  std::int64_t v_stride = 0;
  const float* g = nullptr;     // [n] at stride gate_stride: log of the decay, <= 0
  const float* beta = nullptr;  // [n] at stride gate_stride
  std::int64_t gate_stride = 0;
  float* state = nullptr;  // [key_dim, value_dim], updated
  float* out = nullptr;    // [n, value_dim] at stride out_stride
  std::int64_t out_stride = 0;
};

// c[i, j] (+)= sum_k a(i, k) b[k, j], where a(i, k) = a[i * a_row + k * a_step]: both products of a linear map's backward. The sum over k
// has one order for every m and n.
struct ProductArgs {
  std::int64_t m = 0, n = 0, k = 0;
  const float* a = nullptr;
  std::int64_t a_row = 0, a_step = 1;
  const float* b = nullptr;
  std::int64_t b_row = 0;
  float* c = nullptr;
  std::int64_t c_row = 0;
  bool add = false;
};

struct Ops {
  // One row of a matrix as floats: embedding lookup. Any supported format.
  void (*dequantize_row)(const MatrixView& w, std::int64_t row, float* out);
  // out = x / sqrt(mean(x^2) + eps) * (weight + offset); weight null: no factor. out may be x.
  void (*rms_norm)(const float* x, const float* weight, std::int64_t n, float eps, float offset, float* out);
  // x += y
  void (*add)(float* x, const float* y, std::int64_t n);
  // out = silu(gate) * up; gelu: the tanh approximation. out may be gate or up.
  void (*silu_mul)(const float* gate, const float* up, std::int64_t n, float* out);
  void (*gelu_mul)(const float* gate, const float* up, std::int64_t n, float* out);
  // x *= sigmoid(gate)
  void (*sigmoid_mul)(float* x, const float* gate, std::int64_t n);
  // Rotates pairs (x[j], x[j + half]) by the angle whose cosine and sine are given, j in [0, half).
  void (*rope)(float* x, const float* cos, const float* sin, std::int64_t half);
  // Writes one cache row; x is finite for q8. Every backend writes the same bytes.
  void (*kv_store)(KvType type, const float* x, std::int64_t head_dim, std::byte* row);
  void (*attention)(const AttentionArgs& a);
  void (*delta_rule)(const DeltaArgs& a);
  // Causal depthwise convolution of n tokens over `channels`: out[t, c] = act(sum_j weight[c, j] x[t - kernel + 1 + j, c] + bias[c]) where
  // x before the first token is `state` [kernel - 1, channels], oldest first; state is updated. act is silu, or nothing; bias null: none.
  // x [n, channels] contiguous, out too.
  void (*conv)(const float* x, std::int64_t n, std::int64_t channels, const float* weight, const float* bias, std::int64_t kernel,
               bool silu, float* state, float* out);
  // In place softmax; returns nothing. -inf entries become 0.
  void (*softmax)(float* x, std::int64_t n);
  // log(sum(exp(x))) with the maximum taken out, in double.
  double (*log_sum_exp)(const float* x, std::int64_t n);
  // Contract at ProductArgs.
  void (*product)(const ProductArgs& a);
};

}  // namespace jang::kernels
