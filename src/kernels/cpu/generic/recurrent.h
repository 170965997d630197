// SPDX-License-Identifier: Apache-2.0
// Layers with a state instead of a cache: the gated delta rule, the scan of Mamba2 and the short causal convolution; contracts in ops.h.
//
// V supplies what elementwise.h asks for, and load4: kLanes runs of four floats, transposed to four vectors.
#pragma once

#include "kernels/cpu/generic/elementwise.h"
#include "kernels/cpu/scratch.h"

namespace jang::kernels::generic {

// Columns of the state are independent of each other: 32 at a time, [key_dim][32] in scratch (L1), over all tokens. kCorrects is
// DeltaArgs::corrects.
template <class V, bool kCorrects>
class DeltaColumns {
 public:
  using F = typename V::F;
  static constexpr int kVectors = 32 / V::kLanes;

  DeltaColumns(const DeltaArgs& a, std::int64_t column, float* state)
      : a_(a), column_(column), left_(a.value_dim - column), state_(state) {}

  void run() {
    for (std::int64_t r = 0; r < a_.key_dim; ++r)
      for (int v = 0; v < kVectors; ++v)
        V::store(at(r, v), load_some<V>(a_.state + r * a_.value_dim + column_ + v * V::kLanes, left_ - v * V::kLanes));
    F product[kVectors];  // S^T k of the next token, before its decay
    first_product(product);
    for (std::int64_t t = 0; t + 1 < a_.n; ++t) token<kCorrects>(t, product);
    token<false>(a_.n - 1, product);
    for (std::int64_t r = 0; r < a_.key_dim; ++r)
      for (int v = 0; v < kVectors; ++v)
        store_some<V>(a_.state + r * a_.value_dim + column_ + v * V::kLanes, left_ - v * V::kLanes, V::load(at(r, v)));
  }

 private:
  float* at(std::int64_t r, int v) const { return state_ + r * 32 + v * V::kLanes; }

  void first_product(F (&product)[kVectors]) const {
    for (int v = 0; v < kVectors; ++v) product[v] = V::set1(0.0f);
    for (std::int64_t r = 0; r < a_.key_dim && kCorrects; ++r)
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) product[v] = V::fma(V::load(at(r, v)), V::set1(a_.k[r]), product[v]);
  }

  // One pass over the state: update by token t, read out with its query, and S^T k of token t + 1.
  template <bool kMore>
  void token(std::int64_t t, F (&product)[kVectors]) const {
    const float* q = a_.q + t * a_.qk_stride;
    const float* k = a_.k + t * a_.qk_stride;
    const F decay = V::set1(std::exp(a_.g[t * a_.gate_stride])), beta = V::set1(a_.beta[t * a_.gate_stride]), skip = V::set1(a_.skip);
    F u[kVectors], out[kVectors], next[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const F value = load_some<V>(a_.v + t * a_.v_stride + column_ + v * V::kLanes, left_ - v * V::kLanes);
      u[v] = V::mul(beta, kCorrects ? V::fnma(decay, product[v], value) : value);
      out[v] = V::mul(skip, value);
      next[v] = V::set1(0.0f);
    }
    for (std::int64_t r = 0; r < a_.key_dim; ++r) {
      const F key = V::set1(k[r]), query = V::set1(q[r]), next_key = V::set1(kMore ? k[a_.qk_stride + r] : 0.0f);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) {
        const F s = V::fma(V::load(at(r, v)), decay, V::mul(key, u[v]));
        V::store(at(r, v), s);
        out[v] = V::fma(s, query, out[v]);
        if constexpr (kMore) next[v] = V::fma(s, next_key, next[v]);
      }
    }
    for (int v = 0; v < kVectors; ++v) {
      store_some<V>(a_.out + t * a_.out_stride + column_ + v * V::kLanes, left_ - v * V::kLanes, out[v]);
      product[v] = next[v];
    }
  }

  const DeltaArgs& a_;
  std::int64_t column_, left_;
  float* state_;
};

template <class V>
void delta_rule(const DeltaArgs& a) {
  if (a.n == 0) return;
  float* state = scratch(a.key_dim * 32);
  for (std::int64_t column = 0; column < a.value_dim; column += 32) {
    if (a.corrects)
      DeltaColumns<V, true>(a, column, state).run();
    else
      DeltaColumns<V, false>(a, column, state).run();
  }
}

// kernel vectors of weights of kLanes channels from [channels, kernel].
template <class V>
inline void load_taps(const float* weight, std::int64_t kernel, std::int64_t left, float* taps) {
  typename V::F four[4];
  if (kernel == 4 && left >= V::kLanes) {
    V::load4(weight, four);
    for (int j = 0; j < 4; ++j) V::store(taps + j * V::kLanes, four[j]);
    return;
  }
  for (std::int64_t j = 0; j < kernel; ++j)
    for (std::int64_t l = 0; l < V::kLanes; ++l) taps[j * V::kLanes + l] = l < left ? weight[l * kernel + j] : 0.0f;
}

template <class V>
void conv(const float* x, std::int64_t n, std::int64_t channels, const float* weight, const float* bias, std::int64_t kernel, bool silu,
          float* state, float* out) {
  const std::int64_t past = kernel - 1;
  const auto row = [&](std::int64_t t) { return t < 0 ? state + (t + past) * channels : x + t * channels; };
  float* taps = scratch(kernel * V::kLanes);
  for (std::int64_t c = 0; c < channels; c += V::kLanes) {
    const std::int64_t left = channels - c;
    load_taps<V>(weight + c * kernel, kernel, left, taps);
    const auto start = bias != nullptr ? load_some<V>(bias + c, left) : V::set1(0.0f);
    for (std::int64_t t = 0; t < n; ++t) {
      auto sum = start;
      for (std::int64_t j = 0; j < kernel; ++j) sum = V::fma(V::load(taps + j * V::kLanes), load_some<V>(row(t - past + j) + c, left), sum);
      store_some<V>(out + t * channels + c, left, silu ? sigmoid_times<V>(sum, sum) : sum);
    }
  }
  // Sources lie behind or in x, so oldest first never overwrites one that is still needed.
  for (std::int64_t j = 0; j < past; ++j) {
    const float* from = row(n - past + j);
    if (from != state + j * channels) std::memcpy(state + j * channels, from, static_cast<std::size_t>(channels) * 4);
  }
}

}  // namespace jang::kernels::generic
