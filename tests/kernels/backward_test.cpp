// SPDX-License-Identifier: Apache-2.0
// The gradients of ops against slopes of their formulas in double, on every device; the product behind them against a plain sum. What the
// models of tests/model/backward_test.cpp do not reach is here: caps, odd shapes, packed weights.
#include "kernels/backward.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <random>

#include "../model/tiny_decoder.h"
#include "kernels/accelerators.h"
#include "kernels/devices.h"
#include "kernels/host_ops.h"
#include "sets.h"

namespace jang::kernels {
namespace {

using Values = std::vector<float>;

Values random_values(std::int64_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Values x(static_cast<std::size_t>(n));
  for (float& v : x) v = normal(random);
  return x;
}
double d(float x) { return static_cast<double>(x); }
std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// Host values on a device and back.
class Machine {
 public:
  explicit Machine(std::unique_ptr<Device> device) : device_(std::move(device)) {}
  Device& operator*() { return *device_; }
  Backward& backward() { return *device_->backward(); }
  Tensor tensor(const Values& values, std::int64_t columns) {
    const auto n = static_cast<std::int64_t>(values.size());
    buffers_.push_back(device_->allocate(n * 4));
    const Tensor t{buffers_.back().get(), 0, DType::f32, n / columns, columns, columns};
    EXPECT_TRUE(device_->write(values.data(), t).ok());
    return t;
  }
  Values read(const Tensor& t) {
    Values v(at(t.rows * t.columns));
    EXPECT_TRUE(device_->read(t, v.data()).ok());
    return v;
  }

 private:
  std::unique_ptr<Device> device_;
  std::vector<std::unique_ptr<Buffer>> buffers_;
};

// Slopes of `loss` by every value of x, against `found`, relative to the largest.
void expect_slopes(const Values& found, const Values& x, const std::function<double(const std::vector<double>&)>& loss, const char* what) {
  ASSERT_EQ(found.size(), x.size());
  std::vector<double> moved(x.begin(), x.end()), slopes;
  constexpr double kStep = 1e-5;
  double largest = 0;
  for (double& v : moved) {
    const double own = v;
    v = own + kStep;
    const double above = loss(moved);
    v = own - kStep;
    slopes.push_back((above - loss(moved)) / (2 * kStep));
    v = own;
    largest = std::max(largest, std::abs(slopes.back()));
  }
  for (std::size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(d(found[i]), slopes[i], 1e-5 * largest) << what << " at " << i;
}

class EverySet : public ::testing::TestWithParam<const NamedOps*> {};
INSTANTIATE_TEST_SUITE_P(BackwardOps, EverySet, ::testing::ValuesIn(op_tables()), [](const auto& p) { return std::string(p.param->name); });

// The instruction sets and, in builds that have it, the card, which need not be there.
std::vector<std::string> devices_with_gradients() {
  std::vector<std::string> names;
  for (const NamedOps* o : op_tables()) names.emplace_back(o->name);
  if (cuda_accelerators().built_in) names.emplace_back("cuda");
  return names;
}

class EveryDeviceBackward : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (!opened.ok()) GTEST_SKIP() << opened.status().message();
    machine = Machine(std::move(opened).value());
  }
  Result<std::unique_ptr<Device>> opened = open_device(GetParam(), nullptr);
  Machine machine{nullptr};
};
INSTANTIATE_TEST_SUITE_P(BackwardOps, EveryDeviceBackward, ::testing::ValuesIn(devices_with_gradients()),
                         [](const auto& p) { return p.param; });

TEST_P(EverySet, products_are_sums_whatever_the_shape) {
  struct Shape {
    std::int64_t m, n, k;
  };
  for (const Shape s : {Shape{1, 1, 1}, {7, 65, 3}, {100, 33, 300}, {5, 200, 257}, {97, 64, 256}, {3, 5, 0}}) {
    for (const bool transposed : {false, true}) {
      for (const bool add : {false, true}) {
        const Values a = random_values(s.m * s.k, 1), b = random_values(s.k * (s.n + 3), 2), before = random_values(s.m * (s.n + 1), 3);
        Values c = before;
        const std::int64_t a_row = transposed ? 1 : s.k, a_step = transposed ? s.m : 1;
        GetParam()->product({s.m, s.n, s.k, a.data(), a_row, a_step, b.data(), s.n + 3, c.data(), s.n + 1, add});
        for (std::int64_t i = 0; i < s.m; ++i) {
          for (std::int64_t j = 0; j < s.n; ++j) {
            double sum = add ? d(before[at(i * (s.n + 1) + j)]) : 0.0;
            for (std::int64_t k = 0; k < s.k; ++k) sum += d(a[at(i * a_row + k * a_step)]) * d(b[at(k * (s.n + 3) + j)]);
            ASSERT_NEAR(d(c[at(i * (s.n + 1) + j)]), sum, 1e-6 * static_cast<double>(s.k + 4)) << s.m << " " << s.n << " " << s.k;
          }
          ASSERT_EQ(c[at(i * (s.n + 1) + s.n)], before[at(i * (s.n + 1) + s.n)]) << "beyond the row";
        }
      }
    }
  }
}

// What a row of a product is does not depend on how many are computed.
TEST_P(EverySet, a_row_of_a_product_is_the_same_in_any_company) {
  constexpr std::int64_t kM = 50, kN = 70, kK = 600;
  const Values a = random_values(kM * kK, 1), b = random_values(kK * kN, 2);
  Values all(at(kM * kN)), one(at(kN));
  GetParam()->product({kM, kN, kK, a.data(), kK, 1, b.data(), kN, all.data(), kN, false});
  for (std::int64_t i = 0; i < kM; ++i) {
    GetParam()->product({1, kN, kK, a.data() + i * kK, kK, 1, b.data(), kN, one.data(), kN, false});
    ASSERT_TRUE(std::equal(one.begin(), one.end(), all.begin() + i * kN)) << i;
  }
}

struct AttentionCase {
  std::int64_t n = 70, heads = 4, kv = 2, dim = 6, window = 0;
  double softcap = 0, scale = 0.4;
  Values sinks{};  // by head, or none
  [[nodiscard]] double loss(const std::vector<double>& q, const std::vector<double>& k, const std::vector<double>& v,
                            const Values& cotangent) const {
    double sum = 0;
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t h = 0; h < heads; ++h) {
        const std::int64_t from = h / (heads / kv), begin = window > 0 ? std::max<std::int64_t>(0, i + 1 - window) : 0;
        double total = sinks.empty() ? 0.0 : std::exp(d(sinks[at(h)])), weighted = 0;
        for (std::int64_t j = begin; j <= i; ++j) {
          double s = 0, value = 0;
          for (std::int64_t c = 0; c < dim; ++c) {
            s += q[at((i * heads + h) * dim + c)] * k[at((j * kv + from) * dim + c)];
            value += v[at((j * kv + from) * dim + c)] * d(cotangent[at((i * heads + h) * dim + c)]);
          }
          s *= scale;
          if (softcap > 0) s = softcap * std::tanh(s / softcap);
          total += std::exp(s);
          weighted += std::exp(s) * value;
        }
        sum += weighted / total;
      }
    return sum;
  }
};

TEST_P(EveryDeviceBackward, gradients_of_attention_go_through_windows_and_caps) {
  for (const AttentionCase& c : {AttentionCase{.softcap = 2}, AttentionCase{.window = 13}, AttentionCase{.n = 1},
                                 AttentionCase{.n = 20, .window = 13, .sinks = {1.5f, -20.0f, 0.0f, 4.0f}}}) {
    const Tensor sinks = c.sinks.empty() ? Tensor() : machine.tensor(c.sinks, c.heads);
    if (!(*machine).check(Attend{.sinks = sinks}).ok()) continue;
    const Values q = random_values(c.n * c.heads * c.dim, 1), k = random_values(c.n * c.kv * c.dim, 2),
                 v = random_values(c.n * c.kv * c.dim, 3);
    const Values cotangent = random_values(c.n * c.heads * c.dim, 4);
    const Tensor dq = machine.tensor(q, c.heads * c.dim), dk = machine.tensor(k, c.kv * c.dim), dv = machine.tensor(v, c.kv * c.dim);
    const SequenceRun text[] = {{0, c.n, 0}};
    machine.backward().attend({.q = machine.tensor(q, c.heads * c.dim),
                               .k = machine.tensor(k, c.kv * c.dim),
                               .v = machine.tensor(v, c.kv * c.dim),
                               .sinks = sinks,
                               .dout = machine.tensor(cotangent, c.heads * c.dim),
                               .dq = dq,
                               .dk = dk,
                               .dv = dv,
                               .heads = c.heads,
                               .kv_heads = c.kv,
                               .window = c.window,
                               .scale = static_cast<float>(c.scale),
                               .softcap = static_cast<float>(c.softcap)},
                              text);
    const std::vector<double> qd(q.begin(), q.end()), kd(k.begin(), k.end()), vd(v.begin(), v.end());
    expect_slopes(
        machine.read(dq), q, [&](const auto& x) { return c.loss(x, kd, vd, cotangent); }, "queries");
    expect_slopes(
        machine.read(dk), k, [&](const auto& x) { return c.loss(qd, x, vd, cotangent); }, "keys");
    expect_slopes(
        machine.read(dv), v, [&](const auto& x) { return c.loss(qd, kd, x, cotangent); }, "values");
  }
}

double kl(const Values& reference, const std::vector<double>& logits) {
  double of_reference = 0, of_logits = 0, sum = 0;
  for (const float r : reference) of_reference += std::exp(d(r));
  for (const double z : logits) of_logits += std::exp(z);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double p = std::exp(d(reference[i])) / of_reference;
    if (p > 0) sum += p * std::log(p / (std::exp(logits[i]) / of_logits));
  }
  return sum;
}

TEST_P(EveryDeviceBackward, divergence_is_the_kl_of_the_softmaxes_and_its_gradient_the_slope) {
  constexpr std::int64_t kN = 3, kVocab = 301;
  const Values reference = random_values(kN * kVocab, 1), logits = random_values(kN * kVocab, 2);
  const Tensor r = machine.tensor(reference, kVocab), z = machine.tensor(logits, kVocab), sums = machine.tensor(Values(at(kN)), 1);
  machine.backward().divergence(r, 0, z, sums);
  EXPECT_EQ(machine.read(z), logits);  // no weight: they stay
  const Values measured = machine.read(sums);
  machine.backward().divergence(r, 0.5f, z, sums);
  EXPECT_EQ(machine.read(sums), measured);
  const Values gradient = machine.read(z);
  for (std::int64_t i = 0; i < kN; ++i) {
    const auto part = [&](const Values& v) { return Values(v.begin() + i * kVocab, v.begin() + (i + 1) * kVocab); };
    const Values row = part(logits);
    EXPECT_NEAR(d(measured[at(i)]), kl(part(reference), {row.begin(), row.end()}), 1e-6);
    expect_slopes(
        part(gradient), row, [&](const auto& x) { return 0.5 * kl(part(reference), x); }, "logits");
  }
}

TEST_P(EveryDeviceBackward, divergence_of_shifted_ruled_out_and_broken_logits) {
  const float none = -std::numeric_limits<float>::infinity();
  const Values reference = {1.5f, -2.0f, none, 3.0f}, shifted = {101.5f, 98.0f, none, 103.0f}, broken = {1, std::nanf(""), 2, 3};
  const auto divergence = [&](const Values& logits) {
    const Tensor sums = machine.tensor({-1}, 1);
    machine.backward().divergence(machine.tensor(reference, 4), 0, machine.tensor(logits, 4), sums);
    return machine.read(sums)[0];
  };
  EXPECT_NEAR(divergence(shifted), 0, 1e-6);
  EXPECT_FALSE(std::isfinite(divergence(broken)));
}

TEST_P(EveryDeviceBackward, gradients_of_the_cap_and_of_activations_are_slopes) {
  const Values x = random_values(40, 5), up = random_values(40, 6), cotangent = random_values(40, 7);
  const Tensor dlogits = machine.tensor(cotangent, 8);
  machine.backward().softcap(machine.tensor(x, 8), 4.0f, dlogits);
  const Values capped = machine.read(dlogits);
  for (std::size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(d(capped[i]), d(cotangent[i]) * (1 - d(x[i]) * d(x[i]) / 16), 1e-6);
  for (const Activation a :
       {Activation::silu, Activation::gelu_tanh, Activation::sigmoid, Activation::gelu, Activation::relu2, Activation::identity}) {
    const auto loss = [&](const auto& gate, const auto& other) {
      double sum = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double g = gate[i], s = 1 / (1 + std::exp(-g));
        const double gelu = 0.5 * g * (1 + std::tanh(0.79788456080286535588 * (g + 0.044715 * g * g * g)));
        const double exact = 0.5 * g * (1 + std::erf(g / std::sqrt(2.0)));
        const double squared = g > 0 ? g * g : 0;
        const double value = a == Activation::silu       ? g * s
                             : a == Activation::sigmoid  ? s
                             : a == Activation::gelu     ? exact
                             : a == Activation::relu2    ? squared
                             : a == Activation::identity ? g
                                                         : gelu;
        sum += value * other[i] * d(cotangent[i]);
      }
      return sum;
    };
    const Tensor gate = machine.tensor(x, 8), other = machine.tensor(up, 8);
    machine.backward().glu(a, gate, other, machine.tensor(cotangent, 8), gate, other);  // in place
    const std::vector<double> xd(x.begin(), x.end()), upd(up.begin(), up.end());
    expect_slopes(
        machine.read(gate), x, [&](const auto& g) { return loss(g, upd); }, "gate");
    expect_slopes(
        machine.read(other), up, [&](const auto& u) { return loss(xd, u); }, "up");

    const Tensor alone = machine.tensor(x, 8);
    machine.backward().glu(a, alone, {}, machine.tensor(cotangent, 8), alone, {});
    const std::vector<double> ones(x.size(), 1.0);
    expect_slopes(
        machine.read(alone), x, [&](const auto& g) { return loss(g, ones); }, "without up");
  }
}

// Within the bounds and beyond them, where there is no slope.
TEST_P(EveryDeviceBackward, gradients_of_bounded_gates_stop_at_the_bounds) {
  if (!(*machine).check(Activation::swiglu_oai).ok()) GTEST_SKIP() << "the device has none";
  const Values x = {-9, -3, 0.5f, 6.5f, 8, 12}, up = {8, -6, 0.25f, -9, 2, -1}, cotangent = random_values(6, 7);
  const auto loss = [&](const auto& gate, const auto& other) {
    double sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double g = std::min(static_cast<double>(gate[i]), 7.0), u = std::min(std::max(static_cast<double>(other[i]), -7.0), 7.0);
      sum += g / (1 + std::exp(-1.702 * g)) * (1 + u) * d(cotangent[i]);
    }
    return sum;
  };
  const Tensor gate = machine.tensor(x, 6), other = machine.tensor(up, 6);
  machine.backward().glu(Activation::swiglu_oai, gate, other, machine.tensor(cotangent, 6), gate, other);  // in place
  const Values dgate = machine.read(gate), dup = machine.read(other);
  expect_slopes(
      dgate, x, [&](const auto& g) { return loss(g, up); }, "gate");
  expect_slopes(
      dup, up, [&](const auto& u) { return loss(x, u); }, "up");
  EXPECT_EQ(dgate[4], 0.0f);
  EXPECT_EQ(dup[0], 0.0f);
}

// Two texts, of which neither sees the other, with the activation and without.
TEST_P(EveryDeviceBackward, gradients_of_the_convolution_are_slopes) {
  constexpr std::int64_t kChannels = 5, kKernel = 3;
  const SequenceRun texts[] = {{0, 4, 0}, {4, 2, 0}};
  const Values x = random_values(6 * kChannels, 5), weight = random_values(kChannels * kKernel, 6),
               cotangent = random_values(6 * kChannels, 7);
  for (const bool silu : {true, false}) {
    const auto loss = [&](const std::vector<double>& at) {
      double total = 0;
      for (const SequenceRun& text : texts)
        for (std::int64_t t = 0; t < text.n_rows; ++t)
          for (std::int64_t c = 0; c < kChannels; ++c) {
            double sum = 0;
            for (std::int64_t j = 0; j < kKernel; ++j)
              if (const std::int64_t from = t - kKernel + 1 + j; from >= 0)
                sum += d(weight[static_cast<std::size_t>(c * kKernel + j)]) *
                       at[static_cast<std::size_t>((text.first_row + from) * kChannels + c)];
            const double value = silu ? sum / (1 + std::exp(-sum)) : sum;
            total += value * d(cotangent[static_cast<std::size_t>((text.first_row + t) * kChannels + c)]);
          }
      return total;
    };
    const Tensor dx = machine.tensor(x, kChannels);
    machine.backward().conv({.x = machine.tensor(x, kChannels),
                             .weight = machine.tensor(weight, kKernel),
                             .dout = machine.tensor(cotangent, kChannels),
                             .dx = dx,
                             .silu = silu},
                            texts);
    expect_slopes(machine.read(dx), x, loss, silu ? "with silu" : "without");
  }
}

TEST_P(EveryDeviceBackward, gradients_of_centred_norms_are_slopes) {
  constexpr std::int64_t kN = 3;
  for (const std::int64_t columns : {5, 300}) {
    const Values x = random_values(kN * columns, 5), gain = random_values(columns, 6), cotangent = random_values(kN * columns, 7);
    const Tensor dx = machine.tensor(cotangent, columns);
    machine.backward().norm({.x = machine.tensor(x, columns),
                             .norm = machine.tensor(gain, columns),
                             .dout = dx,
                             .dx = dx,
                             .eps = 1e-5f,
                             .offset = 0.5f,
                             .centred = true});
    const auto loss = [&](const std::vector<double>& v) {
      double sum = 0;
      for (std::int64_t i = 0; i < kN; ++i) {
        double mean = 0, variance = 0;
        for (std::int64_t j = 0; j < columns; ++j) mean += v[at(i * columns + j)] / static_cast<double>(columns);
        for (std::int64_t j = 0; j < columns; ++j)
          variance += (v[at(i * columns + j)] - mean) * (v[at(i * columns + j)] - mean) / static_cast<double>(columns);
        for (std::int64_t j = 0; j < columns; ++j)
          sum += (v[at(i * columns + j)] - mean) / std::sqrt(variance + 1e-5) * (d(gain[at(j)]) + 0.5) * d(cotangent[at(i * columns + j)]);
      }
      return sum;
    };
    expect_slopes(machine.read(dx), x, loss, "x");
  }
}

TEST_P(EveryDeviceBackward, gradients_of_rope_follow_pairs_and_the_place_of_the_norm) {
  constexpr std::int64_t kN = 2, kDim = 8, kHalf = 3, kHeads = 2;
  const Values x = random_values(kN * kHeads * kDim, 5), gain = random_values(kDim, 6), cotangent = random_values(kN * kHeads * kDim, 7);
  const Values angles = random_values(kN * kHalf, 8);
  Values cosines, sines;
  for (const float a : angles) {
    cosines.push_back(std::cos(a));
    sines.push_back(std::sin(a));
  }
  for (const bool turns : {true, false})
    for (const bool interleaved : {false, true})
      for (const bool last : {false, true}) {
        const Tensor dx = machine.tensor(cotangent, kHeads * kDim);
        machine.backward().rope({.x = machine.tensor(x, kHeads * kDim),
                                 .norm = machine.tensor(gain, kDim),
                                 .cosines = turns ? machine.tensor(cosines, kHalf) : Tensor(),
                                 .sines = turns ? machine.tensor(sines, kHalf) : Tensor(),
                                 .interleaved = interleaved,
                                 .norm_last = last,
                                 .head_dim = kDim,
                                 .eps = 1e-6f,
                                 .d = dx});
        const auto turn = [&](std::int64_t i, std::vector<double>* head) {
          for (std::int64_t j = 0; turns && j < kHalf; ++j) {
            double& a = (*head)[at(interleaved ? 2 * j : j)];
            double& b = (*head)[at(interleaved ? 2 * j + 1 : j + kHalf)];
            const double c = d(cosines[at(i * kHalf + j)]), s = d(sines[at(i * kHalf + j)]), a0 = a;
            a = a0 * c - b * s;
            b = b * c + a0 * s;
          }
        };
        const auto norm = [&](std::vector<double>* head) {
          double squares = 1e-6;
          for (const double v : *head) squares += v * v / kDim;
          for (std::int64_t j = 0; j < kDim; ++j) (*head)[at(j)] *= d(gain[at(j)]) / std::sqrt(squares);
        };
        const auto loss = [&](const std::vector<double>& v) {
          double sum = 0;
          for (std::int64_t h = 0; h < kN * kHeads; ++h) {
            std::vector<double> head(v.begin() + h * kDim, v.begin() + (h + 1) * kDim);
            if (!last) norm(&head);
            turn(h / kHeads, &head);
            if (last) norm(&head);
            for (std::int64_t j = 0; j < kDim; ++j) sum += head[at(j)] * d(cotangent[at(h * kDim + j)]);
          }
          return sum;
        };
        expect_slopes(machine.read(dx), x, loss, last ? "norm last" : "norm first");
      }
}

// Weights of the chosen experts by the logits, the choice being what it is; tokens of three, with and without their sum taken out.
TEST_P(EveryDeviceBackward, gradients_of_routing_go_through_the_chosen_experts) {
  constexpr std::int64_t kN = 3, kExperts = 7, kTop = 2;
  const RouteRule rules[] = {{.normalized = false},
                             {.normalized = true},
                             {.normalized = false, .sigmoid = true},
                             {.normalized = true, .sigmoid = true, .scale = 2.5f}};
  for (const RouteRule& rule : rules) {
    if (!(*machine).check(rule).ok()) continue;
    const Values logits = random_values(kN * kExperts, 12), cotangent = random_values(kN * kTop, 13);
    const auto ints = [&](std::int64_t rows, std::int64_t columns) {
      Tensor t = machine.tensor(Values(at(rows * columns)), columns);
      t.dtype = DType::i32;
      return t;
    };
    const Routing routing{machine.tensor(Values(at(kN * kTop)), kTop), ints(kN, kTop), ints(kN * kTop, 1), ints(kExperts + 1, 1)};
    (*machine).route({machine.tensor(logits, kExperts), rule, routing});
    const Tensor dlogits = machine.tensor(logits, kExperts);
    machine.backward().route(machine.tensor(logits, kExperts), rule, routing, machine.tensor(cotangent, kTop), dlogits);
    const auto loss = [&](const std::vector<double>& x) {
      double sum = 0;
      for (std::int64_t t = 0; t < kN; ++t) {
        std::vector<std::int64_t> order(at(kExperts));
        std::iota(order.begin(), order.end(), 0);
        std::ranges::stable_sort(order, std::ranges::greater{}, [&](std::int64_t e) { return logits[at(t * kExperts + e)]; });
        double all = 0, chosen = 0;
        for (std::int64_t e = 0; e < kExperts; ++e) all += std::exp(x[at(t * kExperts + e)]);
        const auto p = [&](std::int64_t c) {
          const double z = x[at(t * kExperts + order[at(c)])];
          return rule.sigmoid ? 1 / (1 + std::exp(-z)) : std::exp(z) / all;
        };
        for (std::int64_t c = 0; c < kTop; ++c) chosen += p(c);
        for (std::int64_t c = 0; c < kTop; ++c)
          sum += d(rule.scale) * p(c) / (rule.normalized ? chosen : 1) * d(cotangent[at(t * kTop + c)]);
      }
      return sum;
    };
    const std::string what = std::string(rule.normalized ? "normalized" : "as they are") + (rule.sigmoid ? ", sigmoid" : "");
    expect_slopes(machine.read(dlogits), logits, loss, what.c_str());
  }
}

// Two maps add up, one of them packed.
TEST_P(EveryDeviceBackward, gradients_of_linear_maps_read_any_storage) {
  constexpr std::int64_t kN = 9, kColumns = 128;
  const model::testing::PackedMatrix packed(300, kColumns, 3, 64, 8);
  const Values dense = random_values(5 * kColumns, 9), dy = random_values(kN * 300, 10), other = random_values(kN * 5, 11);
  const MatrixView plain{{}, 5, kColumns, reinterpret_cast<const std::byte*>(dense.data()), nullptr, nullptr};
  const auto first = (*machine).upload({std::span(&packed.view, 1), {}}), second = (*machine).upload({std::span(&plain, 1), {}});
  ASSERT_TRUE(first.ok() && second.ok());
  const Tensor dx = machine.tensor(Values(at(kN * kColumns), 7.0f), kColumns);
  const LinearGradient maps[] = {{first->get(), machine.tensor(dy, 300)}, {second->get(), machine.tensor(other, 5)}};
  machine.backward().linear(maps, false, dx);
  const Values found = machine.read(dx);
  std::vector<double> expected(at(kN * kColumns));
  Values row(at(kColumns));
  const auto sum = [&](const MatrixView& matrix, const Values& from) {
    for (std::int64_t r = 0; r < matrix.n_rows; ++r) {
      dequantize_row(matrix, r, row.data());
      for (std::int64_t i = 0; i < kN; ++i)
        for (std::int64_t c = 0; c < kColumns; ++c) expected[at(i * kColumns + c)] += d(from[at(i * matrix.n_rows + r)]) * d(row[at(c)]);
    }
  };
  sum(packed.view, dy);
  sum(plain, other);
  for (std::size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(d(found[i]), expected[i], 1e-5) << i;
}

}  // namespace
}  // namespace jang::kernels
