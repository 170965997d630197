// SPDX-License-Identifier: Apache-2.0
// The machine a graph runs on: a Device owns memory and kernels, and offers whole-batch ops on opaque tensors. Everything above this folder
// is written once, for any device.
//
// Activations are float32. Ops are enqueued in the order of the calls; read() and wait() return when what was enqueued is done. An op
// cannot fail by itself: what goes wrong inside (no memory for scratch, a fault of the driver) is kept: read() returns it,
// wait() returns and forgets it. Outputs do not overlap inputs unless an op says that they may. One thread at a time, except encode(),
// which any thread may call.
//
// Every op is deterministic, and what it writes for one row depends on nothing but that row: not on the other rows of the batch, the number
// of threads or the way work is cut. Devices differ by rounding only, within bounds that the tests derive from eps and the length of the
// sums. On exact weights prefill and decode give the same bits.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "jang/status.h"
#include "kernels/encode.h"
#include "kernels/kv_cache.h"
#include "kernels/matrix.h"
#include "kernels/precision.h"
#include "kernels/tensor.h"

namespace jang::kernels {

// gelu: x/2 (1 + erf(x / sqrt 2)); relu2: max(x, 0)^2; identity: x. swiglu_oai (gpt-oss): of a bounded gate, whose factor is bounded too
// and one larger (Device::glu).
enum class Activation : std::uint8_t { silu, gelu_tanh, sigmoid, gelu, relu2, identity, swiglu_oai };
inline constexpr float kOaiSlope = 1.702f, kOaiLimit = 7.0f;

// A linear map of one matrix, or one per expert, made ready by Device::upload.
class Weight {
 public:
  virtual ~Weight() = default;
};

struct WeightSource {
  std::span<const MatrixView> matrices;  // one, or one per expert: of one shape and format. Their bytes outlive the weight
  std::span<const float> bias;           // [rows] of each matrix, one after the other, or empty; copied
  Precision precision = Precision::exact;
};

// y = x W^T + b. y: [n, rows of W], any stride.
struct LinearOut {
  const Weight* weight = nullptr;
  Tensor y;
};

// x += branch, or x += norm(branch; branch_norm); then out = norm(x; norm) [+ norm_bias]. Per row
//   norm(x; w) = (x - m) / sqrt(mean((x - m)^2) + eps) * (w + offset),   m = mean(x) when centred (LayerNorm), else 0 (RMS norm)
// Without branch x is only read; without out the sum is all. out may be x where there is no branch. branch_norm is never centred.
struct AddNorm {
  Tensor x{}, branch{}, branch_norm{};  // [n, size], [n, size], [1, size]
  Tensor norm{}, out{};                 // [1, size], [n, size]; norm may be absent: no factor (w + offset = 1)
  Tensor norm_bias{};                   // [1, size], or absent
  float eps = 0, offset = 0;
  bool centred = false;
};

// to[i, to_column + j] = from[i, from_column + j] for j in [0, n)
struct ColumnCopy {
  std::int64_t from_column = 0, n = 0;
  Tensor to;
  std::int64_t to_column = 0;
};

// A run of consecutive tokens of one sequence: rows [first_row, first_row + n_rows) of a batch, the first at `position`.
struct SequenceRun {
  std::int64_t first_row = 0, n_rows = 0, position = 0;
};

// Normalises and rotates queries and keys in place and stores keys and values:
//   head = norm(head) (where there is a weight);  (head[j], head[j + half]) turned by the angle whose cosine and sine are given, j < half
// Pairs are (head[2j], head[2j + 1]) when interleaved. Without cosines nothing turns. With norm_last the norm comes after the turn.
struct RopeStore {
  Tensor q{}, k{}, v{};       // [n, heads * head_dim], [n, kv_heads * head_dim], [n, kv_heads * value_dim]
  Tensor q_norm{}, k_norm{};  // [1, head_dim], or absent
  float eps = 0, offset = 0;
  Tensor cosines{}, sines{};  // [n, half], or absent
  bool interleaved = false, norm_last = false;
  KvLayer cache{};
};

// Softmax attention with grouped queries: query head h reads key-value head h / (heads / kv_heads).
//   out[i, h] = sum_j softmax_j(cap(scale * q[i, h] . k[j])) v[j],   j over visible positions: j <= p, and j > p - window when window > 0
// where p is the position of row i and cap(s) = softcap * tanh(s / softcap), or s when softcap == 0. With sinks the softmax has one score
// more, the sink of head h, to which no value belongs: it takes a part of the weights away.
struct Attend {
  Tensor q{}, out{};  // [n, heads * head_dim], [n, heads * value_dim]
  Tensor sinks{};     // [1, heads], or absent
  std::int64_t heads = 0, window = 0;
  float scale = 1, softcap = 0;
  KvLayer cache{};
};

// Causal depthwise convolution over the tokens of each run: out[t, c] = act(sum_j weight[c, j] x[t - kernel + 1 + j, c] + bias[c]) where x
// before a run's first token is its state [kernel - 1, channels], oldest first; states are updated. act is silu, or nothing. Rows are
// contiguous.
struct Conv {
  Tensor x{}, out{};                 // [n, channels]
  Tensor weight{};                   // [channels, kernel]
  std::span<const Tensor> states{};  // a run's each
  bool silu = true;
  Tensor bias{};  // [1, channels], or absent
};

// Gated delta rule (Gated DeltaNet, arXiv 2412.06464) per value head, which reads key head h / (value_heads / key_heads):
//   beta = sigmoid(b);  g = -exp(a_log) softplus(a + dt_bias);  q = l2(q) / sqrt(key_dim);  k = l2(k)
//   S <- exp(g_t) S;  S <- S + k_t (beta_t (v_t - S^T k_t))^T;  out_t = S^T q_t           l2(x) = x / sqrt(sum x^2 + 1e-6)
// qkv and ba are overwritten.
struct Delta {
  std::int64_t key_heads = 0, value_heads = 0, key_dim = 0, value_dim = 0;
  Tensor qkv{};                      // [n, 2 * key_heads * key_dim + value_heads * value_dim]: queries, keys, values; contiguous
  Tensor ba{};                       // [n, 2 * value_heads]: all b, then all a; contiguous
  Tensor a_log{}, dt_bias{};         // [1, value_heads]
  std::span<const Tensor> states{};  // a run's each: [value_heads * key_dim, value_dim], updated
  Tensor out{};                      // [n, value_heads * value_dim], contiguous
};

// Scan of Mamba2's selective state space (arXiv 2405.21060) per head, which reads B and C of group h / (heads / groups):
//   step = softplus(dt + dt_bias) within [least_step, most_step];  S <- exp(-exp(a_log) step_t) S + B_t (step_t x_t)^T
//   out_t = S^T C_t + skip x_t
// steps is overwritten.
struct Scan {
  std::int64_t heads = 0, groups = 0, head_dim = 0, state_dim = 0;
  float least_step = 0, most_step = 0;
  Tensor xbc{};                       // [n, heads * head_dim + 2 * groups * state_dim]: x of all heads, B of all groups, C of all groups
  Tensor steps{};                     // [n, 2 * heads]: all dt, then room for as many values
  Tensor a_log{}, dt_bias{}, skip{};  // [1, heads]
  std::span<const Tensor> states{};   // a run's each: [heads * state_dim, head_dim], updated
  Tensor out{};                       // [n, heads * head_dim]
};

// Which experts take which tokens. A slot is one (token, choice) pair; slots are ordered by expert, then token.
struct Routing {
  Tensor weights;  // f32 [n, top_k]: of the choices, largest first
  Tensor slots;    // i32 [n, top_k]: slot of the pair
  Tensor tokens;   // i32 [n * top_k, 1]: token of a slot
  Tensor begin;    // i32 [experts + 1, 1]: slots of expert e are [begin[e], begin[e + 1])
};

// How the logits z of a router choose experts, and what the choices weigh:
//
//   p = softmax(z), or sigmoid(z);  s = p + correction
//   with n_groups equal groups of neighbours, only the top_groups of the largest group scores are open: the sum of the two largest s of a
//   group, or with one of them the largest
//   chosen = the top_k largest open s, the lower index first when equal;  w = scale * p[chosen], divided by their sum when normalized,
//   and multiplied by the number of the expert where experts have some
struct RouteRule {
  bool normalized = false;
  bool sigmoid = false;
  float scale = 1;
  std::int64_t n_groups = 1, top_groups = 1;
  int group_best = 2;      // scores that make that of a group: 1 or 2
  Tensor correction{};     // f32 [1, experts], or absent
  Tensor expert_scales{};  // f32 [1, experts], or absent
  [[nodiscard]] bool plain() const { return !sigmoid && scale == 1 && n_groups == 1 && !correction.exists() && !expert_scales.exists(); }
};

struct Route {
  Tensor logits;  // [n, experts], overwritten
  RouteRule rule;
  Routing routing;  // written
};

// A product of all rows with one row of factors: glu with an `up` whose stride is 0.
struct RowFactors {};

class Backward;

class Device {
 public:
  virtual ~Device() = default;
  [[nodiscard]] virtual std::string_view name() const = 0;  // "avx2", "ref"
  // Not the host's: there is plenty of it and much to win by large batches.
  [[nodiscard]] virtual bool has_own_memory() const { return false; }

  // --- memory

  // Null when there is no memory. Contents are undefined; the start is aligned for every op.
  [[nodiscard]] virtual std::unique_ptr<Buffer> allocate(std::int64_t bytes) = 0;
  // Host values, row after row, into or out of a tensor.
  [[nodiscard]] virtual Status write(const void* from, const Tensor& to) = 0;
  [[nodiscard]] virtual Status read(const Tensor& from, void* to) = 0;
  [[nodiscard]] virtual Status wait() = 0;
  // Makes a weight of matrices in host memory; a device that shares the host's memory uses the bytes where they lie. Errors: unsupported
  // (no kernel for the format), out_of_memory.
  [[nodiscard]] virtual Result<std::unique_ptr<Weight>> upload(const WeightSource& source) = 0;
  // A weight of n matrices of equal shape whose float32 values lie on the device, one matrix after the other, contiguous: what is written
  // to `values` later is what the weight computes with. The buffer outlives the weight. Precision is exact.
  [[nodiscard]] virtual Result<std::unique_ptr<Weight>> share(const Tensor& values, std::int64_t n, std::span<const float> bias) = 0;

  // --- rows

  // out[i] = scale * row ids[i] of the matrix. ids: i32 [n, 1], each a row of the matrix.
  virtual void embed(const Weight& table, const Tensor& ids, float scale, const Tensor& out) = 0;
  virtual void copy(const Tensor& from, const Tensor& to) = 0;  // of one shape and dtype
  virtual void copy_columns(const Tensor& from, std::span<const ColumnCopy> copies) = 0;
  // out[i] = x[rows[i]]. rows: i32 [n, 1].
  virtual void gather_rows(const Tensor& x, const Tensor& rows, const Tensor& out) = 0;
  virtual void add_norm(const AddNorm& op) = 0;
  // out = act(gate) * up, or act(gate) without up. out may be gate or up; up may be one row for all, of stride 0 (RowFactors). swiglu_oai,
  // with g = min(gate, kOaiLimit):
  //   out = g sigmoid(kOaiSlope g) * (1 + up within [-kOaiLimit, kOaiLimit])
  virtual void glu(Activation activation, const Tensor& gate, const Tensor& up, const Tensor& out) = 0;
  // out += sigmoid(gate) * x, one gate a row ([n, 1]); without gate out += x.
  virtual void add_gated(const Tensor& x, const Tensor& gate, const Tensor& out) = 0;

  // --- linear maps

  // Several maps of one input [n, columns], contiguous.
  virtual void linear(const Tensor& x, std::span<const LinearOut> outs) = 0;
  // logits = cap(x W^T), cap as in Attend.
  virtual void head(const Tensor& x, const Weight& weight, float softcap, const Tensor& logits) = 0;
  // ids[i] = the token whose interval of the cumulative distribution softmax(logits[i]), in order of ids, holds at[i], which is in [0, 1);
  // -1 where the logits are not fit for use: a NaN, +infinity, or nothing but -infinity. logits: [n, vocab]; ids: i32 [n, 1].
  virtual void draw(const Tensor& logits, std::span<const double> at, const Tensor& ids) = 0;

  // --- attention

  // Cosines and sines [n, half] of position * frequency, times `factor`. positions: i32 [n, 1]; frequencies: f32 [1, half].
  virtual void rotation(const Tensor& positions, const Tensor& frequencies, float factor, const Tensor& cosines, const Tensor& sines) = 0;
  // A value that an f16 cache cannot hold is an error, reported as `unsupported`: an infinity need not show up as NaN (a score of -infinity
  // drops the position, a cap makes it an ordinary score), and the text would silently be another one.
  virtual void rope_store(const RopeStore& op, const KvBatch& batch) = 0;
  virtual void attend(const Attend& op, const KvBatch& batch) = 0;

  // --- recurrent layers

  virtual void conv(const Conv& op, std::span<const SequenceRun> runs) = 0;
  virtual void delta(const Delta& op, std::span<const SequenceRun> runs) = 0;
  virtual void scan(const Scan& op, std::span<const SequenceRun> runs) = 0;

  // --- experts

  virtual void route(const Route& op) = 0;
  // Every slot of `routing` through its expert's matrix: y[slot] = x_slot W_e^T + b_e, where x_slot is the row of the slot's token
  // (x: [n, columns]) or, with by_slot, the slot's own row (x: [n * top_k, columns]).
  virtual void expert_linear(const Tensor& x, bool by_slot, const Routing& routing, std::span<const LinearOut> outs) = 0;
  // out[t] = sum over choices of weights[t, c] * x[slots[t, c]], in the order of choice.
  virtual void combine(const Tensor& x, const Routing& routing, const Tensor& out) = 0;

  // --- statistics

  // out[i, j] += sum over rows t of x[t, i] x[t, j], for j >= i: the upper triangle of a Gram matrix. x: [n, columns], contiguous;
  // out: [columns, columns], contiguous. columns % 32 == 0.
  virtual void gram(const Tensor& x, const Tensor& out) = 0;

  // --- gradients

  // The ops' gradients (backward.h), of the device and as long as it lives. Null where it has none.
  [[nodiscard]] virtual Backward* backward() { return nullptr; }

  // --- quantization, on host memory

  // Quantizes a block of rows; bytes equal those of every other device. Any thread may call it.
  [[nodiscard]] virtual EncodeError encode(EncodeMethod method, const EncodeArgs& args) const = 0;

  // --- what a device may lack

  // Unsupported where it computes plain rules only (RouteRule::plain); asked before anything runs.
  [[nodiscard]] virtual Status check(const RouteRule& /*rule*/) const { return {}; }
  // Unsupported where it has no kernel for that activation in glu, for attention with sinks, for scans and convolutions with a bias, or for
  // one row of factors.
  [[nodiscard]] virtual Status check(Activation /*activation*/) const { return {}; }
  [[nodiscard]] virtual Status check(const Attend& /*op*/) const { return {}; }
  [[nodiscard]] virtual Status check(const Scan& /*op*/) const { return {}; }
  [[nodiscard]] virtual Status check(RowFactors /*op*/) const { return {}; }
};

}  // namespace jang::kernels
