// SPDX-License-Identifier: Apache-2.0
// The scan of Mamba2 on every device against its other form, in double, which has no state (arXiv 2405.21060, section 3.2):
//
//   out_t = sum over j <= t of (C_t . B_j) exp(g_{j+1} + ... + g_t) step_j x_j + skip x_t,   g = -exp(a_log) step
//
// and its gradients against slopes of that.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "device_machine.h"
#include "kernels/backward.h"

namespace jang::kernels {
namespace {

constexpr std::int64_t kScanHeads = 4, kScanGroups = 2, kWidth = 6, kDepth = 8;
constexpr std::int64_t kXbc = kScanHeads * kWidth + 2 * kScanGroups * kDepth;

struct ScanNumbers {
  Values a_log = random_values(kScanHeads, 1, 0.5f), dt_bias = random_values(kScanHeads, 2, 0.5f), skip = random_values(kScanHeads, 3);
  float least = 0.3f, most = 1.5f;  // both are met by some tokens

  // Of one text: xbc [n, kXbc], dt [n, kScanHeads].
  [[nodiscard]] std::vector<double> out(const std::vector<double>& xbc, const std::vector<double>& dt) const {
    const auto n = static_cast<std::int64_t>(dt.size()) / kScanHeads;
    std::vector<double> y(at(n * kScanHeads * kWidth));
    for (std::int64_t h = 0; h < kScanHeads; ++h) {
      const std::int64_t b = kScanHeads * kWidth + h / (kScanHeads / kScanGroups) * kDepth, c = b + kScanGroups * kDepth;
      const auto step = [&](std::int64_t t) {
        return std::clamp(std::log1p(std::exp(dt[at(t * kScanHeads + h)] + d(dt_bias[at(h)]))), d(least), d(most));
      };
      for (std::int64_t t = 0; t < n; ++t) {
        double decay = 0;
        for (std::int64_t j = t; j >= 0; --j) {
          double score = 0;
          for (std::int64_t r = 0; r < kDepth; ++r) score += xbc[at(t * kXbc + c + r)] * xbc[at(j * kXbc + b + r)];
          for (std::int64_t i = 0; i < kWidth; ++i)
            y[at((t * kScanHeads + h) * kWidth + i)] +=
                (score * std::exp(decay) * step(j) + (j == t ? d(skip[at(h)]) : 0.0)) * xbc[at(j * kXbc + h * kWidth + i)];
          decay -= std::exp(d(a_log[at(h)])) * step(j);
        }
      }
    }
    return y;
  }
};

std::vector<double> doubles(const Values& values) { return {values.begin(), values.end()}; }

class EveryDeviceScan : public DeviceFixture {};
INSTANTIATE_TEST_SUITE_P(Device, EveryDeviceScan, ::testing::ValuesIn(device_names()), [](const auto& p) { return p.param; });

// One text twice in a batch, at once and in pieces.
TEST_P(EveryDeviceScan, states_are_the_sum_over_the_text) {
  if (!machine->check(Scan{}).ok()) GTEST_SKIP() << "the device has none";
  const ScanNumbers numbers;
  for (const std::int64_t length : {1, 5, 90}) {
    const Values xbc = random_values(length * kXbc, 4, 0.5f), dt = random_values(length * kScanHeads, 5);
    const std::vector<double> expected = numbers.out(doubles(xbc), doubles(dt));
    for (const std::int64_t piece : {length, std::max<std::int64_t>(2, length / 3)}) {
      const Values nothing(at(kScanHeads * kDepth * kWidth), 0.0f);
      const Tensor states[] = {machine.tensor(nothing, kScanHeads * kDepth, kWidth), machine.tensor(nothing, kScanHeads * kDepth, kWidth)};
      Values found;
      for (std::int64_t begin = 0; begin < length; begin += piece) {
        const std::int64_t n = std::min(piece, length - begin);
        Values both, steps;
        for (int copy = 0; copy < 2; ++copy) {
          both.insert(both.end(), xbc.begin() + begin * kXbc, xbc.begin() + (begin + n) * kXbc);
          for (std::int64_t t = begin; t < begin + n; ++t) {
            steps.insert(steps.end(), dt.begin() + t * kScanHeads, dt.begin() + (t + 1) * kScanHeads);
            steps.insert(steps.end(), at(kScanHeads), 0.0f);
          }
        }
        const SequenceRun runs[] = {{0, n, begin}, {n, n, begin}};
        const Tensor out = machine.empty(2 * n, kScanHeads * kWidth);
        machine->scan({.heads = kScanHeads,
                       .groups = kScanGroups,
                       .head_dim = kWidth,
                       .state_dim = kDepth,
                       .least_step = numbers.least,
                       .most_step = numbers.most,
                       .xbc = machine.tensor(both, 2 * n, kXbc),
                       .steps = machine.tensor(steps, 2 * n, 2 * kScanHeads),
                       .a_log = machine.tensor(numbers.a_log, 1, kScanHeads),
                       .dt_bias = machine.tensor(numbers.dt_bias, 1, kScanHeads),
                       .skip = machine.tensor(numbers.skip, 1, kScanHeads),
                       .states = states,
                       .out = out},
                      runs);
        const Values rows = machine.read(out);
        const auto half = rows.begin() + n * kScanHeads * kWidth;
        EXPECT_TRUE(std::equal(rows.begin(), half, half)) << "one sequence does not see the other";
        found.insert(found.end(), rows.begin(), half);
      }
      expect_near(found, expected, 16.0 * kDepth * static_cast<double>(std::min<std::int64_t>(length, 20)),
                  "length " + std::to_string(length) + " piece " + std::to_string(piece));
    }
  }
}

// Two texts, one longer than a chunk of the way back; slopes of some values of each.
TEST_P(EveryDeviceScan, gradients_are_slopes) {
  if (!machine->check(Scan{}).ok() || machine->backward() == nullptr) GTEST_SKIP() << "the device has none";
  const ScanNumbers numbers;
  constexpr std::int64_t kFirst = 35, kSecond = 3, kAll = kFirst + kSecond;
  const SequenceRun texts[] = {{0, kFirst, 0}, {kFirst, kSecond, 0}};
  const Values xbc = random_values(kAll * kXbc, 6, 0.5f), dt = random_values(kAll * kScanHeads, 7);
  const Values cotangent = random_values(kAll * kScanHeads * kWidth, 8);
  const Tensor dxbc = machine.empty(kAll, kXbc), ddt = machine.empty(kAll, kScanHeads, DType::f32, 3);
  machine->backward()->scan({.heads = kScanHeads,
                             .groups = kScanGroups,
                             .head_dim = kWidth,
                             .state_dim = kDepth,
                             .least_step = numbers.least,
                             .most_step = numbers.most,
                             .xbc = machine.tensor(xbc, kAll, kXbc),
                             .dt = machine.tensor(dt, kAll, kScanHeads, 5),
                             .a_log = machine.tensor(numbers.a_log, 1, kScanHeads),
                             .dt_bias = machine.tensor(numbers.dt_bias, 1, kScanHeads),
                             .skip = machine.tensor(numbers.skip, 1, kScanHeads),
                             .dout = machine.tensor(cotangent, kAll, kScanHeads * kWidth),
                             .dxbc = dxbc,
                             .ddt = ddt},
                            texts);
  const auto loss = [&](const std::vector<double>& x, const std::vector<double>& steps) {
    double total = 0;
    for (const SequenceRun& text : texts) {
      const auto part = [&](const std::vector<double>& all, std::int64_t width) {
        return std::vector<double>(all.begin() + text.first_row * width, all.begin() + (text.first_row + text.n_rows) * width);
      };
      const std::vector<double> y = numbers.out(part(x, kXbc), part(steps, kScanHeads));
      for (std::size_t i = 0; i < y.size(); ++i) total += y[i] * d(cotangent[at(text.first_row * kScanHeads * kWidth) + i]);
    }
    return total;
  };
  const auto expect = [&](const Values& found, bool of_steps, std::size_t every) {
    std::vector<double> x = doubles(xbc), steps = doubles(dt);
    std::vector<double>& moved = of_steps ? steps : x;
    double largest = 0;
    for (const float v : found) largest = std::max(largest, std::abs(d(v)));
    for (std::size_t i = 0; i < moved.size(); i += every) {
      const double own = moved[i];
      moved[i] = own + 1e-5;
      const double above = loss(x, steps);
      moved[i] = own - 1e-5;
      const double slope = (above - loss(x, steps)) / 2e-5;
      moved[i] = own;
      ASSERT_NEAR(d(found[i]), slope, 1e-5 * largest) << (of_steps ? "dt" : "xbc") << " at " << i;
    }
  };
  expect(machine.read(dxbc), false, 23);
  expect(machine.read(ddt), true, 3);
}

// A convolution adds its bias before its activation, and its gradient goes through that.
TEST_P(EveryDeviceScan, a_convolution_adds_its_bias) {
  if (!machine->check(Scan{}).ok()) GTEST_SKIP() << "the device has none";
  constexpr std::int64_t kChannels = 21, kKernel = 3;
  const Values weight = random_values(kChannels * kKernel, 9), bias = random_values(kChannels, 10);
  for (const std::int64_t n : {1, 4, 140}) {
    const Values x = random_values(n * kChannels, 11), cotangent = random_values(n * kChannels, 12);
    std::vector<double> expected, before, slopes(x.size(), 0.0);
    for (std::int64_t t = 0; t < n; ++t)
      for (std::int64_t c = 0; c < kChannels; ++c) {
        double sum = d(bias[at(c)]);
        for (std::int64_t j = std::max<std::int64_t>(0, kKernel - 1 - t); j < kKernel; ++j)
          sum += d(weight[at(c * kKernel + j)]) * d(x[at((t - kKernel + 1 + j) * kChannels + c)]);
        expected.push_back(sum * sigmoid(sum));
        const double slope = sigmoid(sum) * (1 + sum * (1 - sigmoid(sum))) * d(cotangent[at(t * kChannels + c)]);
        for (std::int64_t j = std::max<std::int64_t>(0, kKernel - 1 - t); j < kKernel; ++j)
          slopes[at((t - kKernel + 1 + j) * kChannels + c)] += d(weight[at(c * kKernel + j)]) * slope;
      }
    const SequenceRun runs[] = {{0, n, 0}};
    const Tensor states[] = {machine.tensor(Values(at((kKernel - 1) * kChannels), 0.0f), kKernel - 1, kChannels)};
    const Tensor given = machine.tensor(x, n, kChannels), out = machine.empty(n, kChannels), dx = machine.empty(n, kChannels);
    const Tensor taps = machine.tensor(weight, kChannels, kKernel), added = machine.tensor(bias, 1, kChannels);
    machine->conv({.x = given, .out = out, .weight = taps, .states = states, .silu = true, .bias = added}, runs);
    expect_near(machine.read(out), expected, 16, "convolution");
    if (machine->backward() == nullptr) continue;
    machine->backward()->conv({.x = given, .weight = taps, .bias = added, .dout = machine.tensor(cotangent, n, kChannels), .dx = dx}, runs);
    expect_near(machine.read(dx), slopes, 32, "its gradient");
  }
}

}  // namespace
}  // namespace jang::kernels
