// SPDX-License-Identifier: Apache-2.0
// Backward of the ops on rows and of routing on the CPU; sums in double.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/cpu_backward.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/cpu/norm_gradient.h"

namespace jang::kernels {
namespace {

float sigmoid(float x) { return 1.0f / (1.0f + std::exp(-x)); }

// Value and derivative of the activation.
struct Activated {
  float value, slope;
};
Activated activate(Activation activation, float x) {
  if (activation == Activation::gelu_tanh) {
    constexpr float kRoot = 0.797884561f, kCube = 0.044715f;  // sqrt(2 / pi)
    const float t = std::tanh(kRoot * (x + kCube * x * x * x));
    return {0.5f * x * (1.0f + t), 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * kRoot * (1.0f + 3.0f * kCube * x * x)};
  }
  if (activation == Activation::gelu) {
    constexpr float kRootHalf = 0.707106781f, kDensity = 0.398942280f;  // sqrt(1 / 2), 1 / sqrt(2 pi)
    const float below = 0.5f * (1.0f + std::erf(x * kRootHalf));
    return {x * below, below + x * kDensity * std::exp(-0.5f * x * x)};
  }
  if (activation == Activation::swiglu_oai) {
    const float g = std::min(x, kOaiLimit), s = sigmoid(kOaiSlope * g);
    return {g * s, x > kOaiLimit ? 0.0f : s * (1.0f + kOaiSlope * g * (1.0f - s))};
  }
  if (activation == Activation::relu2) return x < 0.0f ? Activated{0.0f, 0.0f} : Activated{x * x, 2.0f * x};
  if (activation == Activation::identity) return {x, 1.0f};
  const float s = sigmoid(x);
  if (activation == Activation::sigmoid) return {s, s * (1.0f - s)};
  return {x * s, s * (1.0f + x * (1.0f - s))};
}

// What the activated gate is multiplied by, and its slope by up.
Activated factor_of(Activation activation, float up) {
  if (activation != Activation::swiglu_oai) return {up, 1.0f};
  const float bounded = std::clamp(up, -kOaiLimit, kOaiLimit);
  return {1.0f + bounded, bounded == up ? 1.0f : 0.0f};
}

double dot(const float* a, const float* b, std::int64_t n) {
  double sum = 0;
  for (std::int64_t j = 0; j < n; ++j) sum += static_cast<double>(a[j]) * static_cast<double>(b[j]);
  return sum;
}

// The expert of a slot: slots are ordered by expert.
std::int64_t expert_of(const Routing& routing, std::int32_t slot) {
  const auto* begin = row_of<const std::int32_t>(routing.begin);
  return std::upper_bound(begin, begin + routing.begin.rows, slot) - begin - 1;
}

}  // namespace

// sum p (r - z) - (lse(r) - lse(z)): p sums to one up to rounding, so the constant is taken out of the sum. A token that the reference
// rules out (p = 0, r = -infinity) costs nothing.
void CpuBackward::divergence(const Tensor& reference, float weight, const Tensor& logits, const Tensor& sums) {
  const std::int64_t n = logits.columns;
  parallel_.run(logits.rows, 20 * n, [&](std::int64_t i) {
    const float* r = row_of(reference, i);
    float* z = row_of(logits, i);
    const double of_reference = ops_.log_sum_exp(r, n), of_logits = ops_.log_sum_exp(z, n);
    const auto a = static_cast<float>(of_reference), b = static_cast<float>(of_logits);
    double along = 0, total = 0;
    for (std::int64_t j = 0; j < n; ++j) {
      const float p = std::exp(r[j] - a);
      if (p > 0) along += static_cast<double>(p) * (static_cast<double>(r[j]) - static_cast<double>(z[j]));
      total += static_cast<double>(p);
      if (weight != 0) z[j] = weight * (std::exp(z[j] - b) - p);
    }
    *row_of(sums, i) = static_cast<float>(along - total * (of_reference - of_logits));
  });
}

void CpuBackward::add(const Tensor& x, const Tensor& to) {
  parallel_.run(x.rows, x.columns / 4, [&](std::int64_t i) { ops_.add(row_of(to, i), row_of(x, i), x.columns); });
}

void CpuBackward::norm(const NormGradient& op) {
  const float* gain = op.norm.exists() ? row_of(op.norm) : nullptr;
  parallel_.run(op.x.rows, op.x.columns, [&](std::int64_t i) {
    norm_gradient(row_of(op.x, i), gain, op.x.columns, op.eps, op.offset, row_of(op.dout, i), op.add, row_of(op.dx, i), op.centred);
  });
}

void CpuBackward::glu(Activation activation, const Tensor& gate, const Tensor& up, const Tensor& dout, const Tensor& dgate,
                      const Tensor& dup) {
  parallel_.run(dout.rows, dout.columns * 10, [&](std::int64_t i) {
    const float* g = row_of(gate, i);
    const float* u = up.exists() ? row_of(up, i) : nullptr;
    const float* d = row_of(dout, i);
    float* dg = row_of(dgate, i);
    float* du = dup.exists() ? row_of(dup, i) : nullptr;
    for (std::int64_t j = 0; j < dout.columns; ++j) {
      const Activated a = activate(activation, g[j]);
      const Activated factor = u != nullptr ? factor_of(activation, u[j]) : Activated{1.0f, 0.0f};
      const float through_gate = d[j] * factor.value * a.slope;  // both are read before either is written
      const float through_up = d[j] * a.value * factor.slope;
      dg[j] = through_gate;
      if (du != nullptr) du[j] = through_up;
    }
  });
}

void CpuBackward::add_gated(const Tensor& x, const Tensor& gate, const Tensor& dout, const Tensor& dx, const Tensor& dgate) {
  parallel_.run(x.rows, x.columns, [&](std::int64_t i) {
    const float s = sigmoid(*row_of(gate, i));
    *row_of(dgate, i) = static_cast<float>(dot(row_of(x, i), row_of(dout, i), x.columns)) * s * (1.0f - s);
    for (std::int64_t j = 0; j < x.columns; ++j) row_of(dx, i)[j] = s * row_of(dout, i)[j];
  });
}

void CpuBackward::combine(const Tensor& x, const Routing& routing, const Tensor& dout, const Tensor& dx, const Tensor& dweights) {
  const std::int64_t top_k = routing.slots.columns;
  parallel_.run(dout.rows, top_k * dout.columns, [&](std::int64_t t) {
    const float* d = row_of(dout, t);
    for (std::int64_t c = 0; c < top_k; ++c) {
      const std::int32_t slot = row_of<const std::int32_t>(routing.slots, t)[c];
      const float weight = row_of(routing.weights, t)[c];
      row_of(dweights, t)[c] = static_cast<float>(dot(row_of(x, slot), d, dout.columns));
      float* to = row_of(dx, slot);
      for (std::int64_t j = 0; j < dout.columns; ++j) to[j] = weight * d[j];
    }
  });
}

// With w = scale * p[chosen] (/ s, s their sum), the scale being an expert's own too, and p = softmax(logits) or sigmoid(logits):
//   dp[chosen] = scale * dw (normalized: scale * (dw - sum_c p_c dw_c / s) / s)
//   softmax: dlogits = p * (dp - sum_j p_j dp_j);   sigmoid: dlogits = dp * p * (1 - p)
void CpuBackward::route(const Tensor& logits, const RouteRule& rule, const Routing& routing, const Tensor& dweights,
                        const Tensor& dlogits) {
  const std::int64_t top_k = routing.slots.columns, n_experts = logits.columns;
  parallel_.run(logits.rows, 10 * n_experts, [&](std::int64_t t) {
    std::vector<float> p(row_of(logits, t), row_of(logits, t) + n_experts);
    if (rule.sigmoid)
      std::ranges::transform(p, p.begin(), sigmoid);
    else
      ops_.softmax(p.data(), n_experts);
    std::vector<float> dw(row_of(dweights, t), row_of(dweights, t) + top_k);
    const auto* slots = row_of<const std::int32_t>(routing.slots, t);
    for (std::int64_t c = 0; rule.expert_scales.exists() && c < top_k; ++c)
      dw[static_cast<std::size_t>(c)] *= row_of(rule.expert_scales)[expert_of(routing, slots[c])];
    double sum = 0, mean = 0;  // of the chosen probabilities; of dw over the weights
    for (std::int64_t c = 0; c < top_k; ++c) {
      const float chosen = p[static_cast<std::size_t>(expert_of(routing, slots[c]))];
      sum += static_cast<double>(chosen);
      mean += static_cast<double>(chosen) * static_cast<double>(dw[static_cast<std::size_t>(c)]);
    }
    mean /= sum;
    float* d = row_of(dlogits, t);
    std::fill_n(d, n_experts, 0.0f);
    double all = 0;
    for (std::int64_t c = 0; c < top_k; ++c) {
      const std::int64_t e = expert_of(routing, slots[c]);
      const double by_weight = static_cast<double>(dw[static_cast<std::size_t>(c)]) * static_cast<double>(rule.scale);
      const double dp = rule.normalized ? (by_weight - mean * static_cast<double>(rule.scale)) / sum : by_weight;
      d[e] = static_cast<float>(dp);
      all += static_cast<double>(p[static_cast<std::size_t>(e)]) * dp;
    }
    for (std::int64_t e = 0; e < n_experts; ++e) {
      const float q = p[static_cast<std::size_t>(e)];
      d[e] = rule.sigmoid ? d[e] * q * (1.0f - q) : q * (d[e] - static_cast<float>(all));
    }
  });
}

void CpuBackward::sum_slots(const Tensor& dslots, const Routing& routing, const Tensor& dx) {
  const std::int64_t top_k = routing.slots.columns;
  parallel_.run(dx.rows, top_k * dx.columns / 4, [&](std::int64_t t) {
    for (std::int64_t c = 0; c < top_k; ++c)
      ops_.add(row_of(dx, t), row_of(dslots, row_of<const std::int32_t>(routing.slots, t)[c]), dx.columns);
  });
}

}  // namespace jang::kernels
