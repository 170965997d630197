// SPDX-License-Identifier: Apache-2.0
// The ops of a device as whole batches: every device of this machine against formulas computed here in double, over shapes, strides and
// batches; and that rows do not depend on their batch. What single rows compute is the other tests' (linear, ops, attention, recurrent).
#include "kernels/device.h"

#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <functional>

#include "device_machine.h"

namespace jang::kernels {
namespace {

class EveryDevice : public DeviceFixture {};
INSTANTIATE_TEST_SUITE_P(Device, EveryDevice, ::testing::ValuesIn(device_names()), [](const auto& p) { return p.param; });

TEST_P(EveryDevice, tensors_come_back_as_they_went) {
  const Values values = random_values(6 * 5, 1);
  const Tensor t = machine.tensor(values, 6, 5, 3);
  EXPECT_EQ(machine.read(t), values);
  EXPECT_EQ(machine.read(t.row_range(2, 2)), Values(values.begin() + 10, values.begin() + 20));
  EXPECT_EQ(machine.read(t.column_range(1, 1))[5], values[26]);
  const Tensor copy = machine.empty(6, 5);
  machine->copy(t, copy);
  EXPECT_EQ(machine.read(copy), values);
  EXPECT_EQ(machine.read(copy.with_columns(3)), values);
  const Tensor rows = machine.tensor(std::vector<std::int32_t>{5, 0, 5});
  const Tensor gathered = machine.empty(3, 5);
  machine->gather_rows(t, rows, gathered);
  const Values g = machine.read(gathered);
  for (int j = 0; j < 5; ++j) {
    EXPECT_EQ(g[at(j)], values[at(25 + j)]);
    EXPECT_EQ(g[at(5 + j)], values[at(j)]);
    EXPECT_EQ(g[at(10 + j)], values[at(25 + j)]);
  }
  EXPECT_EQ(machine->allocate(std::int64_t{1} << 60), nullptr) << "more than there is";
}

TEST_P(EveryDevice, copy_columns_cuts_where_it_is_told) {
  const Values values = random_values(70 * 12, 2);
  const Tensor from = machine.tensor(values, 70, 12), a = machine.empty(70, 5, DType::f32, 2), b = machine.empty(70, 7);
  const ColumnCopy copies[] = {{0, 3, a, 2}, {3, 2, a, 0}, {5, 7, b, 0}};
  machine->copy_columns(from, copies);
  const Values ra = machine.read(a), rb = machine.read(b);
  for (int i = 0; i < 70; ++i) {
    for (int j = 0; j < 3; ++j) ASSERT_EQ(ra[at(i * 5 + 2 + j)], values[at(i * 12 + j)]);
    for (int j = 0; j < 2; ++j) ASSERT_EQ(ra[at(i * 5 + j)], values[at(i * 12 + 3 + j)]);
    for (int j = 0; j < 7; ++j) ASSERT_EQ(rb[at(i * 7 + j)], values[at(i * 12 + 5 + j)]);
  }
}

TEST_P(EveryDevice, add_norm_adds_and_normalises) {
  for (const std::int64_t n : {1, 7, 64, 300})
    for (const std::int64_t rows : {1, 3, 40}) {
      const Values x = random_values(rows * n, 3), branch = random_values(rows * n, 4), weight = random_values(n, 5),
                   inner = random_values(n, 6);
      const Tensor t = machine.tensor(x, rows, n), out = machine.empty(rows, n);
      machine->add_norm({.x = t, .norm = machine.tensor(weight, 1, n), .out = out, .eps = 1e-5f, .offset = 1.0f});
      expect_near(machine.read(out), normed(x, n, weight, 1e-5, 1.0), static_cast<double>(n), "norm");
      EXPECT_EQ(machine.read(t), x) << "only read without a branch";

      // With a branch, normalised itself: x changes, and out is the norm of the new x.
      machine->add_norm({.x = t,
                         .branch = machine.tensor(branch, rows, n),
                         .branch_norm = machine.tensor(inner, 1, n),
                         .norm = machine.tensor(weight, 1, n),
                         .out = out,
                         .eps = 1e-5f,
                         .offset = 1.0f});
      std::vector<double> sum = normed(branch, n, inner, 1e-5, 1.0);
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += d(x[i]);
      const Values now = machine.read(t);
      expect_near(now, sum, static_cast<double>(n), "sum");
      expect_near(machine.read(out), normed(now, n, weight, 1e-5, 1.0), static_cast<double>(n), "norm of the sum");

      machine->add_norm({.x = t, .branch = machine.tensor(branch, rows, n)});
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] = d(now[i]) + d(branch[i]);
      expect_near(machine.read(t), sum, 1, "plain sum");
    }
}

// LayerNorm with and without bias, behind a branch and in place.
TEST_P(EveryDevice, centred_norms_take_the_mean_out_and_add_a_bias) {
  for (const std::int64_t n : {2, 7, 300, 5000}) {
    constexpr std::int64_t kRows = 3;
    Values x = random_values(kRows * n, 3);
    for (float& v : x) v += 2.0f;  // far from centred
    const Values branch = random_values(kRows * n, 4), weight = random_values(n, 5), bias = random_values(n, 6);
    const auto expected = [&](const Values& of, bool biased) {
      std::vector<double> out;
      for (std::size_t r = 0; r < of.size(); r += at(n)) {
        double mean = 0, variance = 0;
        for (std::size_t j = 0; j < at(n); ++j) mean += d(of[r + j]) / static_cast<double>(n);
        for (std::size_t j = 0; j < at(n); ++j) variance += (d(of[r + j]) - mean) * (d(of[r + j]) - mean) / static_cast<double>(n);
        for (std::size_t j = 0; j < at(n); ++j)
          out.push_back((d(of[r + j]) - mean) / std::sqrt(variance + 1e-5) * d(weight[j]) + (biased ? d(bias[j]) : 0.0));
      }
      return out;
    };
    const Tensor t = machine.tensor(x, kRows, n), out = machine.empty(kRows, n), w = machine.tensor(weight, 1, n);
    machine->add_norm({.x = t, .norm = w, .out = out, .eps = 1e-5f, .centred = true});
    expect_near(machine.read(out), expected(x, false), 4 * static_cast<double>(n), "without bias");
    EXPECT_EQ(machine.read(t), x);
    machine->add_norm({.x = t,
                       .branch = machine.tensor(branch, kRows, n),
                       .norm = w,
                       .out = out,
                       .norm_bias = machine.tensor(bias, 1, n),
                       .eps = 1e-5f,
                       .centred = true});
    const Values now = machine.read(t);
    for (std::size_t i = 0; i < now.size(); ++i) ASSERT_EQ(now[i], x[i] + branch[i]);
    expect_near(machine.read(out), expected(now, true), 4 * static_cast<double>(n), "with bias");
    machine->add_norm({.x = t, .norm = w, .out = t, .norm_bias = machine.tensor(bias, 1, n), .eps = 1e-5f, .centred = true});
    EXPECT_EQ(machine.read(t), machine.read(out));
  }
}

TEST_P(EveryDevice, glu_is_its_formula_in_place_too) {
  const std::vector<std::pair<Activation, std::function<double(double)>>> kinds = {
      {Activation::silu, [](double x) { return x * sigmoid(x); }},
      {Activation::gelu_tanh, [](double x) { return 0.5 * x * (1 + std::tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x))); }},
      {Activation::gelu, [](double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }},
      {Activation::relu2, [](double x) { return x > 0 ? x * x : 0; }},
      {Activation::identity, [](double x) { return x; }},
      {Activation::sigmoid, [](double x) { return sigmoid(x); }}};
  for (const auto& [kind, act] : kinds) {
    const Values gate = random_values(37 * 9, 7, 3.0f), up = random_values(37 * 9, 8);
    std::vector<double> expected;
    for (std::size_t i = 0; i < gate.size(); ++i) expected.push_back(act(d(gate[i])) * d(up[i]));
    const Tensor g = machine.tensor(gate, 37, 9), u = machine.tensor(up, 37, 9), out = machine.empty(37, 9);
    machine->glu(kind, g, u, out);
    expect_near(machine.read(out), expected, 1, "glu");
    machine->glu(kind, g, u, u);
    EXPECT_EQ(machine.read(u), machine.read(out));

    std::vector<double> alone;
    for (const float x : gate) alone.push_back(act(d(x)));
    machine->glu(kind, g, {}, out);
    expect_near(machine.read(out), alone, 1, "without up");
  }
}

TEST_P(EveryDevice, glu_takes_one_row_of_factors_for_all) {
  if (!machine->check(RowFactors{}).ok()) GTEST_SKIP() << "the device says so when a model is bound";
  const Values x = random_values(37 * 9, 7), factors = random_values(9, 8);
  const Tensor t = machine.tensor(x, 37, 9);
  Tensor row = machine.tensor(factors, 1, 9);
  row.rows = 37;
  row.stride = 0;
  machine->glu(Activation::identity, t, row, t);
  std::vector<double> expected;
  for (std::size_t i = 0; i < x.size(); ++i) expected.push_back(d(x[i]) * d(factors[i % 9]));
  expect_near(machine.read(t), expected, 1, "one row");
}

// Of gpt-oss: gates bounded above, factors on both sides and one larger, values within the bounds and beyond.
TEST_P(EveryDevice, glu_of_bounded_gates_is_its_formula_in_place_too) {
  if (!machine->check(Activation::swiglu_oai).ok()) GTEST_SKIP() << "the device has none";
  const Values gate = random_values(37 * 9, 7, 6.0f), up = random_values(37 * 9, 8, 6.0f);
  std::vector<double> expected, alone;
  int beyond = 0;
  for (std::size_t i = 0; i < gate.size(); ++i) {
    const double g = std::min(d(gate[i]), 7.0), u = std::min(std::max(d(up[i]), -7.0), 7.0);
    beyond += g != d(gate[i]) && u != d(up[i]) ? 1 : 0;
    alone.push_back(g * sigmoid(1.702 * g));
    expected.push_back(alone.back() * (u + 1));
  }
  ASSERT_GT(beyond, 3);
  const Tensor g = machine.tensor(gate, 37, 9), u = machine.tensor(up, 37, 9), out = machine.empty(37, 9);
  machine->glu(Activation::swiglu_oai, g, {}, out);
  expect_near(machine.read(out), alone, 4, "without up");
  machine->glu(Activation::swiglu_oai, g, u, out);
  expect_near(machine.read(out), expected, 60, "glu");
  machine->glu(Activation::swiglu_oai, g, u, g);
  EXPECT_EQ(machine.read(g), machine.read(out));
}

TEST_P(EveryDevice, add_gated_weighs_each_row) {
  const Values x = random_values(21 * 16, 9), gate = random_values(21, 10, 2.0f), before = random_values(21 * 16, 11);
  const Tensor out = machine.tensor(before, 21, 16), plain = machine.tensor(before, 21, 16);
  machine->add_gated(machine.tensor(x, 21, 16), machine.tensor(gate, 21, 1), out);
  machine->add_gated(machine.tensor(x, 21, 16), {}, plain);
  std::vector<double> expected, sum;
  for (std::size_t i = 0; i < x.size(); ++i) {
    expected.push_back(d(before[i]) + sigmoid(d(gate[i / 16])) * d(x[i]));
    sum.push_back(d(before[i]) + d(x[i]));
  }
  expect_near(machine.read(out), expected, 1, "gated");
  expect_near(machine.read(plain), sum, 1, "plain");
}

std::vector<double> product(const Values& x, std::int64_t n, const Values& w, std::int64_t columns, const Values& bias) {
  std::vector<double> y;
  for (std::int64_t i = 0; i < n; ++i)
    for (std::size_t r = 0; r < w.size() / at(columns); ++r) {
      double sum = bias.empty() ? 0.0 : d(bias[r]);
      for (std::int64_t c = 0; c < columns; ++c) sum += d(x[at(i * columns + c)]) * d(w[r * at(columns) + at(c)]);
      y.push_back(sum);
    }
  return y;
}

TEST_P(EveryDevice, linear_maps_of_several_formats_share_an_input) {
  constexpr std::int64_t kColumns = 128;
  const std::vector<MatrixFormat> formats = {{DType::f32},
                                             {DType::bf16},
                                             {DType::u32, 2, 32, DType::bf16},
                                             {DType::u32, 3, 64, DType::f16},
                                             {DType::u32, 4, 64, DType::bf16},
                                             {DType::u32, 5, 128, DType::f32},
                                             {DType::u32, 8, 64, DType::bf16}};
  for (const std::int64_t n : {1, 2, 9, 70}) {
    const Values x = random_values(n * kColumns, 12);
    std::deque<TestMatrix> matrices;
    for (std::size_t i = 0; i < formats.size(); ++i)
      matrices.emplace_back(formats[i], 17 + static_cast<std::int64_t>(i), kColumns, static_cast<unsigned>(i));
    std::vector<LinearOut> outs;
    const Values bias = random_values(17, 13);
    for (std::size_t i = 0; i < matrices.size(); ++i) {
      const MatrixView view = matrices[i].view();
      outs.push_back({machine.weight({view}, i == 0 ? std::span<const float>(bias) : std::span<const float>()),
                      machine.empty(n, view.n_rows, DType::f32, static_cast<std::int64_t>(i))});
    }
    machine->linear(machine.tensor(x, n, kColumns), outs);
    for (std::size_t i = 0; i < matrices.size(); ++i)
      expect_near(machine.read(outs[i].y), product(x, n, dequantized(matrices[i].view()), kColumns, i == 0 ? bias : Values()), kColumns,
                  "map " + std::to_string(i) + " of " + std::to_string(n));
  }
}

TEST_P(EveryDevice, embed_and_head_use_one_matrix) {
  const TestMatrix table({DType::u32, 4, 32, DType::bf16}, 50, 64, 3);
  const Weight* weight = machine.weight({table.view()});
  const Values rows = dequantized(table.view());
  const Tensor out = machine.empty(3, 64), logits = machine.empty(3, 50);
  machine->embed(*weight, machine.tensor(std::vector<std::int32_t>{49, 0, 7}), 2.0f, out);
  const Values x = machine.read(out);
  for (std::size_t j = 0; j < 64; ++j) {
    EXPECT_EQ(x[j], 2.0f * rows[49 * 64 + j]);
    EXPECT_EQ(x[64 + j], 2.0f * rows[j]);
    EXPECT_EQ(x[128 + j], 2.0f * rows[7 * 64 + j]);
  }
  machine->head(out, *weight, 0.0f, logits);
  std::vector<double> expected = product(x, 3, rows, 64, {});
  expect_near(machine.read(logits), expected, 64, "head");
  machine->head(out, *weight, 0.5f, logits);
  for (double& e : expected) e = 0.5 * std::tanh(e / 0.5);
  expect_near(machine.read(logits), expected, 64 * 64, "capped");
}

TEST_P(EveryDevice, shared_values_are_a_weight_that_follows_them) {
  constexpr std::int64_t kIn = 96, kOut = 7, kN = 3;
  const Values x = random_values(kN * kIn, 5), bias = random_values(kOut, 6);
  const Tensor values = machine.tensor(Values(2 * kOut * kIn), 2 * kOut, kIn), y = machine.empty(kN, kOut);
  auto made = machine->share(values.row_range(kOut, kOut), 1, bias);
  ASSERT_TRUE(made.ok()) << made.status().message();
  for (const unsigned seed : {1u, 2u}) {
    const Values w = random_values(2 * kOut * kIn, seed);
    ASSERT_TRUE(machine->write(w.data(), values).ok());
    const LinearOut outs[] = {{made->get(), y}};
    machine->linear(machine.tensor(x, kN, kIn), outs);
    expect_near(machine.read(y), product(x, kN, Values(w.begin() + kOut * kIn, w.end()), kIn, bias), kIn, "values " + std::to_string(seed));
  }
}

// A point lies in the interval of its token, whose ends are computed here; points within rounding of an end may go either way.
TEST_P(EveryDevice, draw_takes_the_token_whose_interval_holds_the_point) {
  for (const std::int64_t vocab : {1, 31, 1000, 33001}) {
    constexpr std::int64_t kN = 40;
    Values logits = random_values(kN * vocab, static_cast<unsigned>(vocab), 3);
    for (std::int64_t j = 0; j < vocab; j += 3)
      if (vocab > 1) logits[at(j)] = -std::numeric_limits<float>::infinity();
    std::mt19937_64 random(4);
    std::vector<double> points;
    for (std::int64_t i = 0; i < kN; ++i) points.push_back(static_cast<double>(random() >> 11) * 0x1p-53);
    points[0] = points[1] = 0;
    points[2] = 1 - 0x1p-53;
    const Tensor ids = machine.empty(kN, 1, DType::i32);
    machine->draw(machine.tensor(logits, kN, vocab, 3), points, ids);
    const std::vector<std::int32_t> drawn = machine.read_ints(ids);
    for (std::int64_t i = 0; i < kN; ++i) {
      double total = 0, before = 0;
      for (std::int64_t j = 0; j < vocab; ++j) total += std::exp(d(logits[at(i * vocab + j)]));
      const std::int32_t id = drawn[at(i)];
      ASSERT_GE(id, 0);
      ASSERT_LT(id, vocab);
      for (std::int64_t j = 0; j < id; ++j) before += std::exp(d(logits[at(i * vocab + j)]));
      const double own = std::exp(d(logits[at(i * vocab + id)]));
      EXPECT_GT(own, 0) << "a token that is ruled out";
      EXPECT_LE(before / total, points[at(i)] + 1e-7) << vocab << " " << i;
      EXPECT_GT((before + own) / total, points[at(i)] - 1e-7) << vocab << " " << i;
    }
  }
}

TEST_P(EveryDevice, draw_refuses_what_is_no_prediction) {
  constexpr std::int64_t kVocab = 70;
  constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNaN = std::numeric_limits<float>::quiet_NaN();
  Values logits = random_values(5 * kVocab, 1);
  logits[69] = kNaN;
  logits[kVocab] = kInfinity;
  std::fill_n(logits.begin() + 2 * kVocab, kVocab, -kInfinity);
  std::fill_n(logits.begin() + 3 * kVocab, kVocab, -kInfinity);
  logits[3 * kVocab + 41] = -5;
  const Tensor ids = machine.empty(5, 1, DType::i32);
  machine->draw(machine.tensor(logits, 5, kVocab), std::vector<double>(5, 0.5), ids);
  const std::vector<std::int32_t> drawn = machine.read_ints(ids);
  EXPECT_EQ(std::vector<std::int32_t>(drawn.begin(), drawn.begin() + 4), (std::vector<std::int32_t>{-1, -1, -1, 41}));
  EXPECT_GE(drawn[4], 0);
}

// Routing, grouped products and the weighted sum against every token on its own; -inf and ties included.
void expect_experts(Machine& machine, bool biased) {
  constexpr std::int64_t kExperts = 6, kTop = 2, kIn = 64, kOut = 24;
  std::deque<TestMatrix> up, down;
  std::vector<MatrixView> up_views, down_views;
  for (unsigned e = 0; e < kExperts; ++e) {
    up.emplace_back(MatrixFormat{DType::u32, 4, 32, DType::bf16}, kOut, kIn, e);
    down.emplace_back(MatrixFormat{DType::f32}, kIn, kOut, 100 + e);
  }
  for (unsigned e = 0; e < kExperts; ++e) {
    up_views.push_back(up[e].view());
    down_views.push_back(down[e].view());
  }
  const Values up_bias = biased ? random_values(kExperts * kOut, 52) : Values(),
               down_bias = biased ? random_values(kExperts * kIn, 53) : Values();
  const Weight* up_weight = machine.weight(up_views, up_bias);
  const Weight* down_weight = machine.weight(down_views, down_bias);
  const auto bias_of = [&](const Values& all, std::int32_t e, std::int64_t rows) {
    return biased ? Values(all.begin() + e * rows, all.begin() + (e + 1) * rows) : Values(at(rows), 0.0f);
  };
  for (const std::int64_t n : {1, 2, 50}) {
    const Values x = random_values(n * kIn, 50);
    Values logits = random_values(n * kExperts, 51, 2.0f);
    logits[1] = logits[3] = 9.0f;  // a tie: the lower index first
    const Routing routing{machine.empty(n, kTop), machine.empty(n, kTop, DType::i32), machine.empty(n * kTop, 1, DType::i32),
                          machine.empty(kExperts + 1, 1, DType::i32)};
    const Tensor tx = machine.tensor(x, n, kIn), inner = machine.empty(n * kTop, kOut), slots = machine.empty(n * kTop, kIn);
    const Tensor out = machine.empty(n, kIn);
    machine->route({machine.tensor(logits, n, kExperts), {.normalized = true}, routing});
    const LinearOut to_inner[] = {{up_weight, inner}}, to_slots[] = {{down_weight, slots}};
    machine->expert_linear(tx, false, routing, to_inner);
    machine->expert_linear(inner, true, routing, to_slots);
    machine->combine(slots, routing, out);

    const std::vector<std::int32_t> begin = machine.read_ints(routing.begin), slot = machine.read_ints(routing.slots);
    EXPECT_EQ(begin.front(), 0);
    EXPECT_EQ(begin.back(), n * kTop);
    std::vector<double> expected;
    for (std::int64_t t = 0; t < n; ++t) {
      std::vector<std::int32_t> order(kExperts);
      for (std::int32_t e = 0; e < kExperts; ++e) order[at(e)] = e;
      std::ranges::stable_sort(order,
                               [&](std::int32_t a, std::int32_t b) { return logits[at(t * kExperts + a)] > logits[at(t * kExperts + b)]; });
      double total = 0;
      for (std::int64_t k = 0; k < kTop; ++k) total += std::exp(d(logits[at(t * kExperts + order[at(k)])]));
      std::vector<double> sum(kIn, 0.0);
      for (std::int64_t k = 0; k < kTop; ++k) {
        const std::int32_t e = order[at(k)];
        EXPECT_GE(slot[at(t * kTop + k)], begin[at(e)]) << "slot of the expert";
        EXPECT_LT(slot[at(t * kTop + k)], begin[at(e + 1)]);
        const Values row(x.begin() + t * kIn, x.begin() + (t + 1) * kIn);
        const std::vector<double> h = product(row, 1, dequantized(up_views[at(e)]), kIn, bias_of(up_bias, e, kOut));
        const Values w = dequantized(down_views[at(e)]), b = bias_of(down_bias, e, kIn);
        const double weight = std::exp(d(logits[at(t * kExperts + e)])) / total;
        for (std::int64_t i = 0; i < kIn; ++i) {
          sum[at(i)] += weight * d(b[at(i)]);
          for (std::int64_t j = 0; j < kOut; ++j) sum[at(i)] += weight * d(w[at(i * kOut + j)]) * h[at(j)];
        }
      }
      expected.insert(expected.end(), sum.begin(), sum.end());
    }
    expect_near(machine.read(out), expected, kIn * kOut, "tokens " + std::to_string(n));
  }
}

TEST_P(EveryDevice, experts_equal_every_token_on_its_own) { expect_experts(machine, false); }

TEST_P(EveryDevice, experts_have_biases_of_their_own) {
  if (machine->name() == "cuda") GTEST_SKIP() << "the device refuses them";
  expect_experts(machine, true);
}

// Experts and weights of one token by the definition of RouteRule, in double.
std::vector<std::pair<std::int32_t, double>> chosen_by(const RouteRule& rule, std::span<const float> z, std::span<const float> correction,
                                                       std::span<const float> scales, std::size_t top_k) {
  const std::size_t n = z.size(), size = n / at(rule.n_groups);
  std::vector<double> p(n), s(n), of_group(at(rule.n_groups));
  double all = 0;
  for (std::size_t e = 0; e < n; ++e) all += std::exp(d(z[e]));
  for (std::size_t e = 0; e < n; ++e) p[e] = rule.sigmoid ? 1 / (1 + std::exp(-d(z[e]))) : std::exp(d(z[e])) / all;
  for (std::size_t e = 0; e < n; ++e) s[e] = p[e] + d(correction[e]);
  for (std::size_t g = 0; g < of_group.size(); ++g) {
    std::vector<double> group(s.begin() + static_cast<std::ptrdiff_t>(g * size), s.begin() + static_cast<std::ptrdiff_t>((g + 1) * size));
    std::ranges::sort(group, std::ranges::greater{});
    of_group[g] = group[0] + (rule.group_best == 2 ? group[1] : 0);
  }
  const auto open = [&](std::size_t e) {
    return std::ranges::count_if(of_group, [&](double other) { return other > of_group[e / size]; }) < rule.top_groups;
  };
  std::vector<std::int32_t> order;
  for (std::size_t e = 0; e < n; ++e)
    if (open(e)) order.push_back(static_cast<std::int32_t>(e));
  std::ranges::stable_sort(order, std::ranges::greater{}, [&](std::int32_t e) { return s[at(e)]; });
  order.resize(top_k);
  double sum = 0;
  for (const std::int32_t e : order) sum += p[at(e)];
  std::vector<std::pair<std::int32_t, double>> chosen;
  for (const std::int32_t e : order) chosen.emplace_back(e, d(rule.scale) * d(scales[at(e)]) * p[at(e)] / (rule.normalized ? sum : 1));
  return chosen;
}

TEST_P(EveryDevice, rules_of_routing_are_what_they_say) {
  constexpr std::int64_t kN = 40, kExperts = 12, kTop = 3;
  const Values logits = random_values(kN * kExperts, 60, 2.0f), pushed = random_values(kExperts, 61, 0.5f), none(kExperts, 0.0f);
  const Values scaled = random_values(kExperts, 62, 2.0f), plain_scales(kExperts, 1.0f);
  const RouteRule rules[] = {
      {.normalized = true, .scale = 2.5f},
      {.normalized = false, .sigmoid = true},
      {.normalized = true, .sigmoid = true, .scale = 1.5f, .n_groups = 4, .top_groups = 2},
      {.normalized = false, .n_groups = 3, .top_groups = 1, .group_best = 1},
  };
  for (const RouteRule& plain : rules)
    for (const bool corrected : {false, true}) {
      RouteRule rule = plain;
      const Values& correction = corrected ? pushed : none;
      const Values& scales = corrected ? scaled : plain_scales;
      if (corrected) rule.correction = machine.tensor(correction, 1, kExperts);
      if (corrected) rule.expert_scales = machine.tensor(scales, 1, kExperts);
      if (!machine->check(rule).ok()) GTEST_SKIP() << "the device says so when a model is bound";
      const Routing routing{machine.empty(kN, kTop), machine.empty(kN, kTop, DType::i32), machine.empty(kN * kTop, 1, DType::i32),
                            machine.empty(kExperts + 1, 1, DType::i32)};
      machine->route({machine.tensor(logits, kN, kExperts), rule, routing});
      const std::vector<std::int32_t> begin = machine.read_ints(routing.begin), slots = machine.read_ints(routing.slots);
      const Values weights = machine.read(routing.weights);
      for (std::int64_t t = 0; t < kN; ++t) {
        const auto expected = chosen_by(rule, std::span(logits).subspan(at(t * kExperts), kExperts), correction, scales, kTop);
        for (std::int64_t c = 0; c < kTop; ++c) {
          const auto& [expert, weight] = expected[at(c)];
          const std::int32_t slot = slots[at(t * kTop + c)];
          EXPECT_TRUE(slot >= begin[at(expert)] && slot < begin[at(expert + 1)]) << "token " << t << " choice " << c;
          EXPECT_NEAR(d(weights[at(t * kTop + c)]), weight, 1e-6 * std::max(1.0, std::abs(weight)));
        }
      }
    }
}

TEST(Device, an_unknown_one_is_refused_with_those_there_are) {
  const Status s = open_device("abacus", nullptr).status();
  EXPECT_EQ(s.code(), StatusCode::unsupported);
  EXPECT_NE(s.message().find("ref"), std::string::npos) << s.message();
}

}  // namespace
}  // namespace jang::kernels
