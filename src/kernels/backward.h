// SPDX-License-Identifier: Apache-2.0
// Gradients of the ops of a Device, on its tensors. d<name> is the gradient of a scalar by <name>, of its shape; an op turns that of what
// the forward op wrote into those of what it read. Formulas are those of device.h; what a forward op overwrites is asked for as it was.
//
// The rules of Device hold: ops are enqueued, faults are kept for read() and wait(). Arithmetic is exact (float32 activations, weights as
// they are stored), sums have a fixed order whatever the number of threads. Rows are whole texts, one after the other, each a run from its
// first token (position 0): no op here reads a cache. Outputs are overwritten unless an op says that it adds; gradients flow to inputs and
// to weights, not to the gains of norms, biases and convolutions.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>

#include "kernels/device.h"

namespace jang::kernels {

// The gradient of what a map wrote (LinearOut).
struct LinearGradient {
  const Weight* weight = nullptr;
  Tensor dy;  // [n, rows of W], any stride
};

// Of out = norm(x; norm) [+ bias] as in AddNorm.
struct NormGradient {
  Tensor x{}, norm{};   // [n, size], [1, size] or absent
  Tensor dout{}, dx{};  // dx may be dout
  float eps = 0, offset = 0;
  bool centred = false;
  bool add = false;  // dx += instead of dx =; not in place then
};

// Of normalising and rotating heads, as RopeStore does with queries or keys.
struct RopeGradient {
  Tensor x{};                 // [n, heads * head_dim]: before norm and rotation; read only with a norm, overwritten with norm_last
  Tensor norm{};              // [1, head_dim], or absent
  Tensor cosines{}, sines{};  // [n, half], or absent
  bool interleaved = false, norm_last = false;
  std::int64_t head_dim = 0;
  float eps = 0, offset = 0;
  Tensor d{};  // [n, heads * head_dim]: of the rotated heads, becomes that of x
};

// Of Attend over whole texts.
struct AttendGradient {
  Tensor q{}, k{}, v{};     // as attention sees them; [n, heads * head_dim], [n, kv_heads * head_dim], [n, kv_heads * value_dim]
  Tensor sinks{};           // as in Attend; they have no gradient
  Tensor dout{};            // [n, heads * value_dim]
  Tensor dq{}, dk{}, dv{};  // of the shapes of q, k, v
  std::int64_t heads = 0, kv_heads = 0, window = 0;
  float scale = 1, softcap = 0;
};

// Of Conv over whole texts, the state before each being zero. Rows are contiguous.
struct ConvGradient {
  Tensor x{}, weight{};  // [n, channels], [channels, kernel]
  Tensor bias{};         // [1, channels], or absent
  Tensor dout{}, dx{};   // [n, channels]; dout is overwritten
  bool silu = true;
};

// Of Delta over whole texts, the state before each being zero. Rows are contiguous.
struct DeltaGradient {
  std::int64_t key_heads = 0, value_heads = 0, key_dim = 0, value_dim = 0;
  Tensor qkv{}, ba{};         // as Delta was given them
  Tensor a_log{}, dt_bias{};  // [1, value_heads]
  Tensor dout{};              // [n, value_heads * value_dim]
  Tensor dqkv{}, dba{};
};

// Of Scan over whole texts, the state before each being zero. A step held at a bound has no slope. ddt may be dt.
struct ScanGradient {
  std::int64_t heads = 0, groups = 0, head_dim = 0, state_dim = 0;
  float least_step = 0, most_step = 0;
  Tensor xbc{}, dt{};                 // as Scan was given them; dt: [n, heads], any stride
  Tensor a_log{}, dt_bias{}, skip{};  // [1, heads]
  Tensor dout{};                      // [n, heads * head_dim]
  Tensor dxbc{}, ddt{};
};

// dw = dy^T x, for some rows of a matrix: dy: [n, those rows], any stride; x: [n, columns]; dw: [rows, columns].
struct WeightGradient {
  Tensor dy{}, x{}, dw{};
};

// Values that gradients move, with Adam's moments of them; contiguous.
struct Trained {
  Tensor value{}, first{}, second{};
};

// A packed matrix in training, and one step of Adam (Kingma, Ba 2014, arXiv 1412.6980) for it. A weight is code * scale + bias with all
// three as they would be stored:
//
//   scale = stored(s0 (1 + ds))     bias = stored(b0 + |s0| db)     code = clamp(round(latent), 0, 2^bits - 1)
//
// s0, b0: of the start. Rounding (half up) passes gradients through unchanged (straight-through estimator, Bengio, Leonard, Courville 2013,
// arXiv 1308.3432); a latent beyond half a step of the codes' range has none. Every step of ds, db and the latents has about the size of
// its rate: parts of the scale, scales, codes. A group whose scale is zero rests.
struct PackedStep {
  int bits = 0, group_size = 0;
  DType stored = DType::f32;    // of scales and biases: bf16, f16, f32
  Tensor scales0{}, biases0{};  // f32 [rows, groups]
  Trained scales{}, biases{};   // ds and db, [rows, groups]
  Trained latents{};            // [rows, columns]; absent where codes rest:
  Tensor codes{};               // u8 [rows, columns]
  Tensor gradient{};            // by the weights [rows, columns]; zeros afterwards. Absent: nothing moves
  Tensor weights{};             // [rows, columns]: written, with what is stored after the step
  float scale_rate = 0, bias_rate = 0, latent_rate = 0;
  std::int64_t t = 1;  // number of the step, from 1
};
inline constexpr float kAdamBeta1 = 0.9f, kAdamBeta2 = 0.99f, kAdamEpsilon = 1e-8f;

// Factors of the moments in step t: they start at zero, which biases them towards it.
struct AdamCorrections {
  float first, second;
  explicit AdamCorrections(std::int64_t t)
      : first(1 / (1 - std::pow(kAdamBeta1, static_cast<float>(t)))), second(1 / (1 - std::pow(kAdamBeta2, static_cast<float>(t)))) {}
};

// The code of a latent: rounded half up, 0 where the latent is no number.
[[nodiscard]] inline int code_of_latent(float latent, int max_code) {
  return static_cast<int>(std::min(std::max(0.0f, latent + 0.5f), static_cast<float>(max_code)));
}

class Backward {
 public:
  virtual ~Backward() = default;

  // --- linear maps

  // dx (+)= sum over the maps of dy W, each map of one matrix. dx: [n, columns].
  virtual void linear(std::span<const LinearGradient> maps, bool add, const Tensor& dx) = 0;
  // The same through the experts of the slots: dx[slot] (+)= sum over the maps of dy[slot] W_e. dx: [n * top_k, columns].
  virtual void expert_linear(std::span<const LinearGradient> maps, const Routing& routing, bool add, const Tensor& dx) = 0;
  // Of several matrices, or experts, side by side.
  virtual void weight(std::span<const WeightGradient> products) = 0;
  // dlogits *= 1 - (logits / softcap)^2: through the cap of head.
  virtual void softcap(const Tensor& logits, float softcap, const Tensor& dlogits) = 0;

  // --- loss

  // sums[i] = KL(softmax(reference_i) || softmax(logits_i)) in nats, f32 [n, 1]. With a weight the logits become the gradient of
  // weight * KL by them, weight * (softmax(logits) - softmax(reference)); with weight 0 they stay. Not finite where the logits are not.
  virtual void divergence(const Tensor& reference, float weight, const Tensor& logits, const Tensor& sums) = 0;

  // --- training

  virtual void train(const PackedStep& step) = 0;

  // --- rows

  // dtable[ids[i] - first] += scale * dout[i] where that row exists. dtable: rows [first, first + rows) of the table's gradient.
  virtual void embed(const Tensor& ids, float scale, const Tensor& dout, std::int64_t first, const Tensor& dtable) = 0;
  // to += x
  virtual void add(const Tensor& x, const Tensor& to) = 0;
  virtual void norm(const NormGradient& op) = 0;
  // Of out = act(gate) * up, or act(gate) where there is neither up nor dup. dgate and dup may be dout, gate or up.
  virtual void glu(Activation activation, const Tensor& gate, const Tensor& up, const Tensor& dout, const Tensor& dgate,
                   const Tensor& dup) = 0;
  // Of out += sigmoid(gate) * x: dgate [n, 1] and dx.
  virtual void add_gated(const Tensor& x, const Tensor& gate, const Tensor& dout, const Tensor& dx, const Tensor& dgate) = 0;

  // --- attention and recurrent layers

  virtual void rope(const RopeGradient& op) = 0;
  virtual void attend(const AttendGradient& op, std::span<const SequenceRun> texts) = 0;
  virtual void conv(const ConvGradient& op, std::span<const SequenceRun> texts) = 0;
  virtual void delta(const DeltaGradient& op, std::span<const SequenceRun> texts) = 0;
  virtual void scan(const ScanGradient& op, std::span<const SequenceRun> texts) = 0;

  // --- experts

  // Of combine: dx[slot] = weight of the slot * dout[token]; dweights[t, c] = x[slots[t, c]] . dout[t].
  virtual void combine(const Tensor& x, const Routing& routing, const Tensor& dout, const Tensor& dx, const Tensor& dweights) = 0;
  // Of route, through the probabilities of the chosen experts; the choice itself has no gradient. logits: as route was given them.
  virtual void route(const Tensor& logits, const RouteRule& rule, const Routing& routing, const Tensor& dweights,
                     const Tensor& dlogits) = 0;
  // dx[t] += sum over choices of dslots[slots[t, c]]: of maps whose slots read the row of their token.
  virtual void sum_slots(const Tensor& dslots, const Routing& routing, const Tensor& dx) = 0;
};

}  // namespace jang::kernels
