// SPDX-License-Identifier: Apache-2.0
// The delta rule against its recurrence written as matrices, the convolution against its sum, and both carried over calls: n tokens at
// once are the same bits as one by one.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "sets.h"

namespace jang::kernels {
namespace {

std::vector<float> random_values(std::int64_t n, std::mt19937& random, float scale) {
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> x(static_cast<std::size_t>(n));
  for (float& v : x) v = normal(random);
  return x;
}

struct Delta {
  std::int64_t n, key_dim, value_dim;
  std::vector<float> q, k, v, g, beta, state;

  Delta(std::int64_t tokens, std::int64_t keys, std::int64_t values, unsigned seed) : n(tokens), key_dim(keys), value_dim(values) {
    std::mt19937 random(seed);
    const float unit = 1.0f / std::sqrt(static_cast<float>(key_dim));  // keys of about length 1
    q = random_values(n * key_stride(), random, unit);
    k = random_values(n * key_stride(), random, unit);
    v = random_values(n * value_stride(), random, 1.0f);
    state = random_values(key_dim * value_dim, random, 1.0f);
    std::uniform_real_distribution<float> uniform(0.0f, 1.0f);
    for (std::int64_t t = 0; t < 2 * n; ++t) {
      g.push_back(-uniform(random));
      beta.push_back(uniform(random));
    }
  }
  [[nodiscard]] std::int64_t key_stride() const { return key_dim + 5; }
  [[nodiscard]] std::int64_t value_stride() const { return value_dim + 3; }

  // Tokens [begin, begin + count) from `carried` on; out [count, value_dim].
  [[nodiscard]] std::vector<float> run(const Ops& o, std::int64_t begin, std::int64_t count, std::vector<float>& carried) const {
    std::vector<float> out(static_cast<std::size_t>(count * value_dim), NAN);
    DeltaArgs a;
    a.n = count;
    a.key_dim = key_dim;
    a.value_dim = value_dim;
    a.q = q.data() + begin * key_stride();
    a.k = k.data() + begin * key_stride();
    a.qk_stride = key_stride();
    a.v = v.data() + begin * value_stride();
    a.v_stride = value_stride();
    a.g = g.data() + begin * 2;
    a.beta = beta.data() + begin * 2;
    a.gate_stride = 2;
    a.state = carried.data();
    a.out = out.data();
    a.out_stride = value_dim;
    o.delta_rule(a);
    return out;
  }

  // S_t = e^g (I - beta k k^T) S_{t-1} + beta k v^T; out_t = S_t^T q_t.
  [[nodiscard]] std::vector<double> expected(std::vector<double>& s) const {
    std::vector<double> out;
    for (std::int64_t t = 0; t < n; ++t) {
      const auto at = [&](const std::vector<float>& x, std::int64_t stride, std::int64_t i) {
        return static_cast<double>(x[t * stride + i]);
      };
      const double decay = std::exp(at(g, 2, 0)), b = at(beta, 2, 0);
      std::vector<double> next(s.size());
      for (std::int64_t r = 0; r < key_dim; ++r) {
        for (std::int64_t c = 0; c < value_dim; ++c) {
          double sum = b * at(k, key_stride(), r) * at(v, value_stride(), c);
          for (std::int64_t i = 0; i < key_dim; ++i)
            sum += decay * ((r == i ? 1.0 : 0.0) - b * at(k, key_stride(), r) * at(k, key_stride(), i)) * s[i * value_dim + c];
          next[r * value_dim + c] = sum;
        }
      }
      s = next;
      for (std::int64_t c = 0; c < value_dim; ++c) {
        double sum = 0;
        for (std::int64_t r = 0; r < key_dim; ++r) sum += s[r * value_dim + c] * at(q, key_stride(), r);
        out.push_back(sum);
      }
    }
    return out;
  }
};

TEST(DeltaRule, backends_match_the_recurrence) {
  for (const auto& [n, keys, values] :
       {std::tuple{1, 8, 8}, {2, 16, 32}, {5, 12, 20}, {7, 64, 64}, {9, 1, 1}, {4, 33, 70}, {40, 16, 128}}) {
    const Delta d(n, keys, values, 1);
    std::vector<double> state(d.state.begin(), d.state.end());
    const std::vector<double> expected = d.expected(state);
    for (const NamedOps* o : op_tables()) {
      std::vector<float> carried = d.state;
      const std::vector<float> out = d.run(*o, 0, n, carried);
      const double bound =
          4e-7 *
          std::sqrt(static_cast<double>(
              keys + n));  // seven roundings of values about 1, growing as random ones do: sums of `keys` products, a state of n steps
      for (std::size_t i = 0; i < out.size(); ++i)
        ASSERT_NEAR(static_cast<double>(out[i]), expected[i], bound) << o->name << " " << n << " " << i;
      for (std::size_t i = 0; i < carried.size(); ++i) ASSERT_NEAR(static_cast<double>(carried[i]), state[i], 2 * bound) << o->name;
    }
  }
}

TEST(DeltaRule, state_carries_over_calls) {
  for (const NamedOps* o : op_tables()) {
    const Delta d(12, 24, 40, 2);
    std::vector<float> at_once = d.state, in_steps = d.state;
    const std::vector<float> whole = d.run(*o, 0, 12, at_once);
    for (std::int64_t t = 0; t < 12; ++t) {
      const std::vector<float> one = d.run(*o, t, 1, in_steps);
      // The reference rounds its state to float32 at every call, the others at every token: twelve roundings of values up to about 3.
      for (std::size_t c = 0; c < one.size(); ++c) ASSERT_NEAR(one[c], whole[t * 40 + c], o->name == "ref" ? 2e-6f : 0.0f) << o->name;
    }
    for (std::size_t i = 0; i < at_once.size(); ++i) ASSERT_NEAR(in_steps[i], at_once[i], o->name == "ref" ? 2e-6f : 0.0f) << o->name;
  }
}

TEST(DeltaRule, an_orthonormal_key_stores_and_returns_its_value) {
  for (const NamedOps* o : op_tables()) {
    Delta d(2, 4, 6, 3);
    for (std::int64_t t = 0; t < 2; ++t)
      for (std::int64_t i = 0; i < 4; ++i) d.q[t * d.key_stride() + i] = d.k[t * d.key_stride() + i] = i == 2 * t ? 1.0f : 0.0f;
    d.g.assign(4, 0.0f);
    d.beta.assign(4, 1.0f);
    const std::vector<float> out = d.run(*o, 0, 2, d.state);
    // v - S^T k takes away what the state held in that place, about 1, and S + k v adds it again: a few roundings of values up to 4.
    for (std::int64_t t = 0; t < 2; ++t)
      for (std::int64_t c = 0; c < 6; ++c) EXPECT_NEAR(out[t * 6 + c], d.v[t * d.value_stride() + c], 1e-6f) << o->name;
  }
}

TEST(Convolution, backends_match_the_sum) {
  std::mt19937 random(4);
  for (const std::int64_t kernel : {1, 2, 3, 4, 5}) {
    for (const std::int64_t channels : {1, 4, 15, 16, 20, 48, 100}) {
      for (const std::int64_t n : {1, 2, 3, 9}) {
        const std::vector<float> x = random_values(n * channels, random, 1.0f), weight = random_values(channels * kernel, random, 1.0f);
        const std::vector<float> state = random_values((kernel - 1) * channels, random, 1.0f);
        const auto input = [&](std::int64_t t, std::int64_t c) {
          return t < 0 ? state[(t + kernel - 1) * channels + c] : x[t * channels + c];
        };
        for (const NamedOps* o : op_tables()) {
          std::vector<float> carried = state, carried_too = state, out(x.size()), sums(x.size());
          o->conv(x.data(), n, channels, weight.data(), nullptr, kernel, true, carried.data(), out.data());
          o->conv(x.data(), n, channels, weight.data(), nullptr, kernel, false, carried_too.data(), sums.data());
          ASSERT_EQ(carried, carried_too) << o->name;
          for (std::int64_t t = 0; t < n; ++t) {
            for (std::int64_t c = 0; c < channels; ++c) {
              double sum = 0;
              for (std::int64_t j = 0; j < kernel; ++j)
                sum += static_cast<double>(weight[c * kernel + j]) * static_cast<double>(input(t - kernel + 1 + j, c));
              // At most five products of a few units each, and an exponential: some thirty roundings of values about 1.
              ASSERT_NEAR(static_cast<double>(out[t * channels + c]), sum / (1 + std::exp(-sum)), 2e-6)
                  << o->name << " kernel " << kernel << " channels " << channels << " token " << t;
              ASSERT_NEAR(static_cast<double>(sums[t * channels + c]), sum, 2e-6) << o->name << " kernel " << kernel;
            }
          }
          for (std::int64_t j = 0; j < kernel - 1; ++j)
            for (std::int64_t c = 0; c < channels; ++c) ASSERT_EQ(carried[j * channels + c], input(n - kernel + 1 + j, c)) << o->name;
        }
      }
    }
  }
}

TEST(Convolution, state_carries_over_calls) {
  std::mt19937 random(5);
  const std::int64_t n = 7, channels = 37, kernel = 4;
  const std::vector<float> x = random_values(n * channels, random, 1.0f), weight = random_values(channels * kernel, random, 1.0f);
  for (const NamedOps* o : op_tables()) {
    std::vector<float> at_once((kernel - 1) * channels, 0.0f), in_steps = at_once, whole(x.size()), one(x.size());
    o->conv(x.data(), n, channels, weight.data(), nullptr, kernel, true, at_once.data(), whole.data());
    for (std::int64_t t = 0; t < n; ++t)
      o->conv(x.data() + t * channels, 1, channels, weight.data(), nullptr, kernel, true, in_steps.data(), one.data() + t * channels);
    EXPECT_EQ(one, whole) << o->name;
    EXPECT_EQ(in_steps, at_once) << o->name;
  }
}

}  // namespace
}  // namespace jang::kernels
