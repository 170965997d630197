// SPDX-License-Identifier: Apache-2.0
// The ops of inference as formulas: sums, exponentials and states in double, results rounded once. Speed is no concern here.
#include "kernels/ref/ops.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/ref/linear.h"
#include "kernels/values.h"

namespace jang::kernels::ref {
namespace {

double d(float x) { return static_cast<double>(x); }
double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }
std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

void rms_norm(const float* x, const float* weight, std::int64_t n, float eps, float offset, float* out) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += d(x[i]) * d(x[i]);
  const double factor = 1.0 / std::sqrt(sum / static_cast<double>(n) + d(eps));
  for (std::int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(d(x[i]) * factor * (weight != nullptr ? d(weight[i]) + d(offset) : 1.0));
}

void add(float* x, const float* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) x[i] += y[i];
}

void silu_mul(const float* gate, const float* up, std::int64_t n, float* out) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(d(gate[i]) * sigmoid(d(gate[i])) * d(up[i]));
}

// 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
void gelu_mul(const float* gate, const float* up, std::int64_t n, float* out) {
  for (std::int64_t i = 0; i < n; ++i) {
    const double x = d(gate[i]);
    const double inner = 0.79788456080286535588 * (x + 0.044715 * x * x * x);
    out[i] = static_cast<float>(0.5 * x * (1.0 + std::tanh(inner)) * d(up[i]));
  }
}

void sigmoid_mul(float* x, const float* gate, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) x[i] = static_cast<float>(d(x[i]) * sigmoid(d(gate[i])));
}

void rope(float* x, const float* cos, const float* sin, std::int64_t half) {
  for (std::int64_t j = 0; j < half; ++j) {
    const double a = d(x[j]), b = d(x[j + half]);
    x[j] = static_cast<float>(a * d(cos[j]) - b * d(sin[j]));
    x[j + half] = static_cast<float>(b * d(cos[j]) + a * d(sin[j]));
  }
}

// q8: scale = max|x| / 127, code = x * (127 / max|x|) to the nearest integer, half to even, in float32: every backend gives the same bytes
// for finite x. NaN gives code 0.
void store_q8(const float* x, std::int64_t head_dim, std::byte* row) {
  float largest = 0;
  for (std::int64_t j = 0; j < head_dim; ++j) largest = std::fabs(x[j]) > largest ? std::fabs(x[j]) : largest;
  const float scale = largest / 127.0f, inverse = largest > 0 ? 127.0f / largest : 0.0f;
  for (std::int64_t j = 0; j < head_dim; ++j) {
    const float v = std::nearbyint(x[j] * inverse);
    const float bounded = v >= -127.0f ? (v <= 127.0f ? v : 127.0f) : (v < -127.0f ? -127.0f : 0.0f);
    row[j] = static_cast<std::byte>(static_cast<std::int8_t>(bounded));
  }
  std::memcpy(row + head_dim, &scale, 4);
}

void kv_store(KvType type, const float* x, std::int64_t head_dim, std::byte* row) {
  if (type == KvType::q8) return store_q8(x, head_dim, row);
  const DType dtype = type == KvType::f32 ? DType::f32 : type == KvType::f16 ? DType::f16 : DType::bf16;
  for (std::int64_t j = 0; j < head_dim; ++j) {
    if (dtype == DType::f32) {
      std::memcpy(row + j * 4, x + j, 4);
      continue;
    }
    const std::uint16_t half = dtype == DType::bf16 ? float_to_bf16(x[j]) : float_to_fp16(x[j]);
    std::memcpy(row + j * 2, &half, 2);
  }
}

float kv_value(KvType type, const std::byte* row, std::int64_t head_dim, std::int64_t j) {
  switch (type) {
    case KvType::f32: return load_value(DType::f32, row, j);
    case KvType::f16: return load_value(DType::f16, row, j);
    case KvType::bf16: return load_value(DType::bf16, row, j);
    case KvType::q8: break;
  }
  return static_cast<float>(static_cast<std::int8_t>(row[j])) * load_value(DType::f32, row + head_dim, 0);
}

void attention(const AttentionArgs& a) {
  const std::int64_t row_bytes = kv_row_bytes(a.kv_type, a.head_dim);
  const auto row = [&](std::int64_t position, std::int64_t offset) {
    return a.pages[position / kPagePositions] + offset + position % kPagePositions * row_bytes;
  };
  std::vector<double> p, sum(index(a.head_dim));
  for (std::int64_t i = 0; i < a.n_queries; ++i) {
    const std::int64_t end = a.first_position + i + 1;
    const std::int64_t begin = a.window > 0 ? std::max<std::int64_t>(0, end - a.window) : 0;
    for (std::int64_t h = 0; h < a.n_heads; ++h) {
      const float* q = a.q + i * a.q_stride + h * a.head_dim;
      p.assign(index(end - begin), 0.0);
      double largest = -std::numeric_limits<double>::infinity(), total = 0;
      for (std::int64_t j = begin; j < end; ++j) {
        double s = 0;
        for (std::int64_t c = 0; c < a.head_dim; ++c) s += d(q[c]) * d(kv_value(a.kv_type, row(j, a.k_offset), a.head_dim, c));
        s *= d(a.scale);
        if (a.softcap != 0) s = d(a.softcap) * std::tanh(s / d(a.softcap));
        p[index(j - begin)] = s;
        largest = std::max(largest, s);
      }
      if (a.sinks != nullptr) largest = std::max(largest, d(a.sinks[h]));
      if (a.sinks != nullptr) total = std::exp(d(a.sinks[h]) - largest);
      std::fill(sum.begin(), sum.end(), 0.0);
      for (std::int64_t j = begin; j < end; ++j) {
        const double e = std::exp(p[index(j - begin)] - largest);
        total += e;
        for (std::int64_t c = 0; c < a.head_dim; ++c) sum[index(c)] += e * d(kv_value(a.kv_type, row(j, a.v_offset), a.head_dim, c));
      }
      for (std::int64_t c = 0; c < a.head_dim; ++c)
        a.out[i * a.out_stride + h * a.head_dim + c] = static_cast<float>(sum[index(c)] / total);
    }
  }
}

void delta_rule(const DeltaArgs& a) {
  const std::int64_t size = a.key_dim * a.value_dim;
  std::vector<double> s(a.state, a.state + size), u(index(a.value_dim));
  for (std::int64_t t = 0; t < a.n; ++t) {
    const float* q = a.q + t * a.qk_stride;
    const float* k = a.k + t * a.qk_stride;
    const double decay = std::exp(d(a.g[t * a.gate_stride])), beta = d(a.beta[t * a.gate_stride]);
    for (double& x : s) x *= decay;
    for (std::int64_t c = 0; c < a.value_dim; ++c) {
      double kv = 0;
      for (std::int64_t r = 0; r < a.key_dim && a.corrects; ++r) kv += s[index(r * a.value_dim + c)] * d(k[r]);
      u[index(c)] = beta * (d(a.v[t * a.v_stride + c]) - kv);
    }
    for (std::int64_t r = 0; r < a.key_dim; ++r)
      for (std::int64_t c = 0; c < a.value_dim; ++c) s[index(r * a.value_dim + c)] += d(k[r]) * u[index(c)];
    for (std::int64_t c = 0; c < a.value_dim; ++c) {
      double out = d(a.skip) * d(a.v[t * a.v_stride + c]);
      for (std::int64_t r = 0; r < a.key_dim; ++r) out += s[index(r * a.value_dim + c)] * d(q[r]);
      a.out[t * a.out_stride + c] = static_cast<float>(out);
    }
  }
  for (std::int64_t i = 0; i < size; ++i) a.state[i] = static_cast<float>(s[index(i)]);
}

void conv(const float* x, std::int64_t n, std::int64_t channels, const float* weight, const float* bias, std::int64_t kernel, bool silu,
          float* state, float* out) {
  const std::int64_t past = kernel - 1;
  std::vector<float> all(state, state + past * channels);  // state and tokens in one sequence
  all.insert(all.end(), x, x + n * channels);
  for (std::int64_t t = 0; t < n; ++t) {
    for (std::int64_t c = 0; c < channels; ++c) {
      double sum = bias != nullptr ? d(bias[c]) : 0.0;
      for (std::int64_t j = 0; j < kernel; ++j) sum += d(weight[c * kernel + j]) * d(all[index((t + j) * channels + c)]);
      out[t * channels + c] = static_cast<float>(silu ? sum * sigmoid(sum) : sum);
    }
  }
  std::copy(all.end() - past * channels, all.end(), state);
}

void softmax(float* x, std::int64_t n) {
  const float largest = n > 0 ? *std::max_element(x, x + n) : 0;
  if (largest == -std::numeric_limits<float>::infinity()) return std::fill(x, x + n, 0.0f);
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += std::exp(d(x[i]) - d(largest));
  for (std::int64_t i = 0; i < n; ++i) x[i] = static_cast<float>(std::exp(d(x[i]) - d(largest)) / sum);
}

double log_sum_exp(const float* x, std::int64_t n) {
  const double nothing = -std::numeric_limits<double>::infinity();
  const double largest = n > 0 ? d(*std::max_element(x, x + n)) : nothing;
  if (largest == nothing) return nothing;
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += std::exp(d(x[i]) - largest);
  return largest + std::log(sum);
}

void product(const ProductArgs& p) {
  for (std::int64_t i = 0; i < p.m; ++i)
    for (std::int64_t j = 0; j < p.n; ++j) {
      double sum = p.add ? d(p.c[i * p.c_row + j]) : 0.0;
      for (std::int64_t k = 0; k < p.k; ++k) sum += d(p.a[i * p.a_row + k * p.a_step]) * d(p.b[k * p.b_row + j]);
      p.c[i * p.c_row + j] = static_cast<float>(sum);
    }
}

}  // namespace

const Ops kOps{.dequantize_row = dequantize_row,
               .rms_norm = rms_norm,
               .add = add,
               .silu_mul = silu_mul,
               .gelu_mul = gelu_mul,
               .sigmoid_mul = sigmoid_mul,
               .rope = rope,
               .kv_store = kv_store,
               .attention = attention,
               .delta_rule = delta_rule,
               .conv = conv,
               .softmax = softmax,
               .log_sum_exp = log_sum_exp,
               .product = product};

}  // namespace jang::kernels::ref
