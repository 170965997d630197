// SPDX-License-Identifier: Apache-2.0
// The ops of a device whose rows see other rows of their sequence: rotation, attention over pages, the delta rule and its convolution.
// Every device of this machine against formulas computed here in double.
#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <functional>

#include "device_machine.h"
#include "kernels/device.h"

namespace jang::kernels {
namespace {

class EveryDeviceSequence : public DeviceFixture {};
INSTANTIATE_TEST_SUITE_P(Device, EveryDeviceSequence, ::testing::ValuesIn(device_names()), [](const auto& p) { return p.param; });

struct Turn {
  Values cosines, sines;
};
Turn turn(std::span<const std::int32_t> positions, const Values& frequencies, float factor) {
  Turn t;
  for (const std::int32_t p : positions)
    for (const float f : frequencies) {
      const float angle = static_cast<float>(p) * f;
      t.cosines.push_back(static_cast<float>(std::cos(d(angle))) * factor);
      t.sines.push_back(static_cast<float>(std::sin(d(angle))) * factor);
    }
  return t;
}

// Queries of a few positions by every order of norm and turn, and without a turn.
TEST_P(EveryDeviceSequence, rope_turns_neighbours_or_nothing_and_norms_last) {
  constexpr std::int64_t kN = 5, kHeads = 2, kDim = 16, kHalf = 4;
  const KvLayer cache{KvType::f32, kHeads, kDim, kDim, 0};
  PageStore store{.page_bytes = cache.bytes(), .pages_per_slab = 1, .slabs = {}};
  const std::unique_ptr<Buffer> slab = machine->allocate(store.page_bytes);
  store.slabs.push_back(slab.get());
  const std::vector<std::int32_t> pages = {0}, positions = {0, 1, 2, 3, 4};
  const std::vector<std::span<const std::int32_t>> of_runs = {pages};
  const std::vector<SequenceRun> runs = {{0, kN, 0}};
  const Values q = random_values(kN * kHeads * kDim, 1), k = random_values(kN * kHeads * kDim, 2), norm = random_values(kDim, 3);
  const Values frequencies = {1.0f, 0.3f, 0.1f, 0.02f};
  const Tensor cosines = machine.empty(kN, kHalf), sines = machine.empty(kN, kHalf);
  machine->rotation(machine.tensor(positions), machine.tensor(frequencies, 1, kHalf), 1.0f, cosines, sines);
  for (const bool turns : {true, false})
    for (const bool interleaved : {false, true})
      for (const bool last : {false, true}) {
        const Tensor tq = machine.tensor(q, kN, kHeads * kDim), tk = machine.tensor(k, kN, kHeads * kDim);
        machine->rope_store({.q = tq,
                             .k = tk,
                             .v = machine.tensor(k, kN, kHeads * kDim),
                             .q_norm = machine.tensor(norm, 1, kDim),
                             .eps = 1e-6f,
                             .cosines = turns ? cosines : Tensor(),
                             .sines = turns ? sines : Tensor(),
                             .interleaved = interleaved,
                             .norm_last = last,
                             .cache = cache},
                            {&store, runs, of_runs});
        const auto turned = [&](std::vector<double> x) {
          for (std::int64_t i = 0; turns && i < kN; ++i)
            for (std::int64_t h = 0; h < kHeads; ++h)
              for (std::int64_t j = 0; j < kHalf; ++j) {
                double& a = x[at((i * kHeads + h) * kDim + (interleaved ? 2 * j : j))];
                double& b = x[at((i * kHeads + h) * kDim + (interleaved ? 2 * j + 1 : j + kHalf))];
                const double angle = static_cast<double>(i) * d(frequencies[at(j)]), a0 = a;
                a = a0 * std::cos(angle) - b * std::sin(angle);
                b = b * std::cos(angle) + a0 * std::sin(angle);
              }
          return x;
        };
        const std::vector<double> plain = turned({k.begin(), k.end()});
        expect_near(machine.read(tk), plain, 4, "keys");
        std::vector<double> queries = turned(normed(q, kDim, norm, 1e-6, 0.0));
        if (last) {
          const std::vector<double> first = turned({q.begin(), q.end()});
          const Values rounded(first.begin(), first.end());
          queries = normed(rounded, kDim, norm, 1e-6, 0.0);
        }
        expect_near(machine.read(tq), queries, 4 * kDim, last ? "norm last" : "norm first");
      }
}

// Two sequences of a batch, one of them in the middle of its text, pages in disorder, against attention written out over all positions.
void expect_rotated_attention(Machine& machine, const Values& sinks) {
  constexpr std::int64_t kHeads = 4, kKv = 2, kDim = 16, kHalf = 4;
  for (const std::int64_t window : {0, 50}) {
    const KvLayer cache{KvType::f32, kKv, kDim, kDim, 128};
    PageStore store{.page_bytes = 128 + cache.bytes(), .pages_per_slab = 2, .slabs = {}};
    std::vector<std::unique_ptr<Buffer>> slabs;
    for (int i = 0; i < 3; ++i) {
      slabs.push_back(machine->allocate(2 * store.page_bytes));
      store.slabs.push_back(slabs.back().get());
    }
    const std::vector<std::int32_t> pages_a = {3, 0, 5}, pages_b = {1};
    const Values frequencies = {1.0f, 0.3f, 0.1f, 0.02f}, q_norm = random_values(kDim, 20), k_norm = random_values(kDim, 21);
    struct Step {
      std::vector<SequenceRun> runs;
    };
    // a: 130 tokens, then one; b: 5 tokens beside that one.
    const std::vector<Step> steps = {{{{0, 130, 0}}}, {{{0, 5, 0}, {5, 1, 130}}}};
    std::vector<std::vector<double>> keys[2], values[2];  // by sequence, position: [kv, dim]
    unsigned seed = 30;
    for (const Step& step : steps) {
      std::int64_t n = 0;
      std::vector<std::int32_t> positions;
      for (const SequenceRun& run : step.runs)
        for (std::int64_t i = 0; i < run.n_rows; ++i, ++n) positions.push_back(static_cast<std::int32_t>(run.position + i));
      const Values q = random_values(n * kHeads * kDim, ++seed), k = random_values(n * kKv * kDim, ++seed),
                   v = random_values(n * kKv * kDim, ++seed);
      const Tensor cosines = machine.empty(n, kHalf), sines = machine.empty(n, kHalf);
      machine->rotation(machine.tensor(positions), machine.tensor(frequencies, 1, kHalf), 1.5f, cosines, sines);
      const Turn angles = turn(positions, frequencies, 1.5f);
      EXPECT_EQ(machine.read(cosines), angles.cosines);
      EXPECT_EQ(machine.read(sines), angles.sines);
      const Tensor tq = machine.tensor(q, n, kHeads * kDim), out = machine.empty(n, kHeads * kDim);
      std::vector<std::span<const std::int32_t>> pages;
      for (std::size_t r = 0; r < step.runs.size(); ++r)
        pages.push_back(step.runs.size() == 2 && r == 0 ? std::span(pages_b) : std::span(pages_a));
      const KvBatch batch{&store, step.runs, pages};
      machine->rope_store({.q = tq,
                           .k = machine.tensor(k, n, kKv * kDim),
                           .v = machine.tensor(v, n, kKv * kDim),
                           .q_norm = machine.tensor(q_norm, 1, kDim),
                           .k_norm = machine.tensor(k_norm, 1, kDim),
                           .eps = 1e-6f,
                           .cosines = cosines,
                           .sines = sines,
                           .cache = cache},
                          batch);
      Attend attend{.q = tq, .out = out, .heads = kHeads, .window = window, .scale = 0.25f, .softcap = 20.0f, .cache = cache};
      if (!sinks.empty()) attend.sinks = machine.tensor(sinks, 1, kHeads);
      machine->attend(attend, batch);

      const auto rotated = [&](const Values& x, std::int64_t head_values, const Values& norm) {
        std::vector<double> heads = normed(x, kDim, norm, 1e-6, 0.0);
        for (std::int64_t i = 0; i < n; ++i)
          for (std::int64_t h = 0; h < head_values / kDim; ++h)
            for (std::int64_t j = 0; j < kHalf; ++j) {
              double& a = heads[at(i * head_values + h * kDim + j)];
              double& b = heads[at(i * head_values + h * kDim + j + kHalf)];
              const double c = d(angles.cosines[at(i * kHalf + j)]), s = d(angles.sines[at(i * kHalf + j)]), a0 = a;
              a = a0 * c - b * s;
              b = b * c + a0 * s;
            }
        return heads;
      };
      const std::vector<double> rq = rotated(q, kHeads * kDim, q_norm), rk = rotated(k, kKv * kDim, k_norm);
      std::vector<double> expected;
      for (std::size_t r = 0; r < step.runs.size(); ++r) {
        const SequenceRun& run = step.runs[r];
        const int sequence = step.runs.size() == 2 && r == 0 ? 1 : 0;
        for (std::int64_t i = 0; i < run.n_rows; ++i) {
          const std::int64_t row = run.first_row + i, position = run.position + i;
          keys[sequence].emplace_back(rk.begin() + row * kKv * kDim, rk.begin() + (row + 1) * kKv * kDim);
          values[sequence].emplace_back(v.begin() + row * kKv * kDim, v.begin() + (row + 1) * kKv * kDim);
          for (std::int64_t h = 0; h < kHeads; ++h) {
            const std::int64_t kv = h / (kHeads / kKv) * kDim;
            std::vector<double> mixed(kDim, 0.0);
            double total = sinks.empty() ? 0.0 : std::exp(d(sinks[at(h)]));
            for (std::int64_t p = window > 0 ? std::max<std::int64_t>(0, position - window + 1) : 0; p <= position; ++p) {
              double score = 0;
              for (std::int64_t j = 0; j < kDim; ++j) score += rq[at((row * kHeads + h) * kDim + j)] * keys[sequence][at(p)][at(kv + j)];
              const double weight = std::exp(20.0 * std::tanh(score * 0.25 / 20.0));
              total += weight;
              for (std::int64_t j = 0; j < kDim; ++j) mixed[at(j)] += weight * values[sequence][at(p)][at(kv + j)];
            }
            for (const double m : mixed) expected.push_back(m / total);
          }
        }
      }
      // Scores of up to about 20 carry sums of kDim products, and weights their exponentials.
      expect_near(machine.read(out), expected, 400.0 * kDim, "window " + std::to_string(window));
    }
  }
}

TEST_P(EveryDeviceSequence, rotated_attention_over_pages_is_the_formula) { expect_rotated_attention(machine, {}); }

// Sinks that no score exceeds, that all do, and between.
TEST_P(EveryDeviceSequence, sinks_take_a_part_of_the_weights) {
  const Values sinks = {9.0f, -30.0f, 0.5f, 2.0f};
  if (!machine->check(Attend{.sinks = machine.tensor(sinks, 1, 4)}).ok()) GTEST_SKIP() << "the device has none";
  expect_rotated_attention(machine, sinks);
}

TEST_P(EveryDeviceSequence, the_delta_rule_carries_states_from_run_to_run) {
  constexpr std::int64_t kKeyHeads = 2, kHeads = 4, kKey = 8, kValue = 6, kKernel = 4, kQ = kKeyHeads * kKey;
  constexpr std::int64_t kChannels = 2 * kQ + kHeads * kValue;
  const Values weight = random_values(kChannels * kKernel, 40), a_log = random_values(kHeads, 41), dt_bias = random_values(kHeads, 42);
  for (const std::int64_t length : {1, 5, 150}) {
    const Values x = random_values(length * kChannels, 43), ba = random_values(length * 2 * kHeads, 44);
    std::vector<double> past(at((kKernel - 1) * kChannels), 0.0), state(at(kHeads * kKey * kValue), 0.0), expected;
    for (std::int64_t t = 0; t < length; ++t) {
      std::vector<double> qkv(at(kChannels));
      for (std::int64_t c = 0; c < kChannels; ++c) {
        double sum = 0;
        for (std::int64_t j = 0; j < kKernel; ++j) {
          const std::int64_t from = t - kKernel + 1 + j;
          sum += d(weight[at(c * kKernel + j)]) * (from < 0 ? 0.0 : d(x[at(from * kChannels + c)]));
        }
        qkv[at(c)] = sum * sigmoid(sum);
      }
      for (std::int64_t h = 0; h < kHeads; ++h) {
        const std::int64_t key_head = h / (kHeads / kKeyHeads) * kKey;
        double q_sum = 1e-6, k_sum = 1e-6;
        for (std::int64_t j = 0; j < kKey; ++j) {
          q_sum += std::pow(qkv[at(key_head + j)], 2);
          k_sum += std::pow(qkv[at(kQ + key_head + j)], 2);
        }
        const double beta = sigmoid(d(ba[at(t * 2 * kHeads + h)]));
        const double g = -std::exp(d(a_log[at(h)])) * std::log1p(std::exp(d(ba[at(t * 2 * kHeads + kHeads + h)]) + d(dt_bias[at(h)])));
        double* s = state.data() + h * kKey * kValue;
        for (std::int64_t j = 0; j < kValue; ++j) {
          double kv = 0, out = 0;
          for (std::int64_t r = 0; r < kKey; ++r) kv += std::exp(g) * s[r * kValue + j] * qkv[at(kQ + key_head + r)] / std::sqrt(k_sum);
          const double u = beta * (qkv[at(2 * kQ + h * kValue + j)] - kv);
          for (std::int64_t r = 0; r < kKey; ++r) {
            s[r * kValue + j] = std::exp(g) * s[r * kValue + j] + qkv[at(kQ + key_head + r)] / std::sqrt(k_sum) * u;
            out += s[r * kValue + j] * qkv[at(key_head + r)] / std::sqrt(q_sum) / std::sqrt(static_cast<double>(kKey));
          }
          expected.push_back(out);
        }
      }
    }
    // The same text twice in one batch, and in pieces.
    for (const std::int64_t piece : {length, std::max<std::int64_t>(3, length / 3)}) {
      Values found;
      const auto zeros = [&](std::int64_t rows, std::int64_t columns) {
        return machine.tensor(Values(at(rows * columns), 0.0f), rows, columns);
      };
      const Tensor conv_states[] = {zeros(kKernel - 1, kChannels), zeros(kKernel - 1, kChannels)};
      const Tensor delta_states[] = {zeros(kHeads * kKey, kValue), zeros(kHeads * kKey, kValue)};
      for (std::int64_t begin = 0; begin < length; begin += piece) {
        const std::int64_t n = std::min(piece, length - begin);
        Values both(x.begin() + begin * kChannels, x.begin() + (begin + n) * kChannels);
        both.insert(both.end(), x.begin() + begin * kChannels, x.begin() + (begin + n) * kChannels);
        Values both_ba(ba.begin() + begin * 2 * kHeads, ba.begin() + (begin + n) * 2 * kHeads);
        both_ba.insert(both_ba.end(), ba.begin() + begin * 2 * kHeads, ba.begin() + (begin + n) * 2 * kHeads);
        const SequenceRun runs[] = {{0, n, begin}, {n, n, begin}};
        const Tensor mixed = machine.tensor(both, 2 * n, kChannels), qkv = machine.empty(2 * n, kChannels),
                     out = machine.empty(2 * n, kHeads * kValue);
        machine->conv({mixed, qkv, machine.tensor(weight, kChannels, kKernel), conv_states}, runs);
        machine->delta({.key_heads = kKeyHeads,
                        .value_heads = kHeads,
                        .key_dim = kKey,
                        .value_dim = kValue,
                        .qkv = qkv,
                        .ba = machine.tensor(both_ba, 2 * n, 2 * kHeads),
                        .a_log = machine.tensor(a_log, 1, kHeads),
                        .dt_bias = machine.tensor(dt_bias, 1, kHeads),
                        .states = delta_states,
                        .out = out},
                       runs);
        const Values rows = machine.read(out);
        const auto half = rows.begin() + n * kHeads * kValue;
        EXPECT_TRUE(std::equal(rows.begin(), half, half)) << "one sequence does not see the other";
        found.insert(found.end(), rows.begin(), half);
      }
      expect_near(found, expected, 16.0 * kKey * static_cast<double>(length),
                  "length " + std::to_string(length) + " piece " + std::to_string(piece));
    }
  }
}

}  // namespace
}  // namespace jang::kernels
