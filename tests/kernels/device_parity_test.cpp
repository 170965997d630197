// SPDX-License-Identifier: Apache-2.0
// Ops of a device over the shapes and formats of real models: every storage format, cache type and head size against the reference device
// or sums in double, and rows against the same rows on their own, bit for bit. The devices are the fastest CPU backend, on which these
// tests prove themselves everywhere, and the card where there is one.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <deque>
#include <functional>
#include <set>

#include "device_machine.h"

namespace jang::kernels {
namespace {

class DeviceParity : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (!machine.problem().empty()) GTEST_SKIP() << machine.problem();
  }
  [[nodiscard]] bool on_card() const { return GetParam() == "cuda"; }
  Machine machine{GetParam(), 2};
  Machine reference{"ref", 2};
};
INSTANTIATE_TEST_SUITE_P(Device, DeviceParity, ::testing::ValuesIn(compared_devices()), [](const auto& p) { return p.param; });

// y = x W^T of the first n rows of x.
Values multiplied(Machine& machine, const Weight* weight, const Values& x, std::int64_t n, std::int64_t columns, std::int64_t rows) {
  const Tensor y = machine.empty(n, rows);
  const LinearOut out[] = {{weight, y}};
  machine->linear(machine.tensor(Values(x.begin(), x.begin() + n * columns), n, columns), out);
  return machine.read(y);
}

// Errors of a product: exact inputs round like a sum of float32 products; inputs in float16 lose 2^-11 of each product at most, and fast
// kernels of the CPU, with eight bits a group, about 2^-8 of the largest of a group.
void expect_product(const Values& found, const Values& x, const Values& w, std::int64_t n, std::int64_t columns, double per_product,
                    const std::string& what) {
  const std::int64_t rows = static_cast<std::int64_t>(w.size()) / columns;
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t r = 0; r < rows; ++r) {
      double sum = 0, size = 0;
      for (std::int64_t c = 0; c < columns; ++c) {
        const double product = d(x[at(i * columns + c)]) * d(w[at(r * columns + c)]);
        sum += product;
        size += std::abs(product);
      }
      ASSERT_NEAR(d(found[at(i * rows + r)]), sum, per_product * size + 1e-30) << what << " row " << r << " of input " << i;
    }
}

// Scales that would overflow or vanish in float16 when multiplied carelessly are in: x of 1e5 and of 1e-4.
TEST_P(DeviceParity, every_format_multiplies_and_rows_do_not_see_their_batch) {
  struct Shape {
    std::int64_t rows, columns;
    std::size_t misalign;
  };
  for (const MatrixFormat& format : all_formats())
    for (const Shape& shape : {Shape{37, 768, 0}, Shape{130, 128, 1}, Shape{16, 2944, 2}, Shape{5, 301, 0}}) {
      if (format.packed() && shape.columns % format.group_size != 0) continue;
      const TestMatrix matrix(format, shape.rows, shape.columns, 7, format.packed() ? shape.misalign * 3 : 0);
      const Values w = dequantized(matrix.view());
      for (const Precision precision : {Precision::exact, Precision::fast}) {
        if (precision == Precision::fast && !format.packed()) continue;
        const Weight* weight = machine.weight({matrix.view()}, {}, precision);
        const std::string what = format_name(format) + " " + std::to_string(shape.columns) + (precision == Precision::fast ? " fast" : "");
        for (const float size : {1.0f, 1e5f, 1e-4f}) {
          const std::int64_t most = size != 1.0f ? 2 : shape.rows < 20 ? 150 : 70;
          const Values x = random_values(most * shape.columns, 8, size);
          const Values all = multiplied(machine, weight, x, most, shape.columns, shape.rows);
          const double eps = d(std::numeric_limits<float>::epsilon());
          // code * scale and bias are summed apart on the tensor cores, and may cancel.
          const double per_product = precision == Precision::exact ? (8 + std::sqrt(d(static_cast<float>(shape.columns)))) * eps / 2
                                     : on_card()                   ? 0x1p-10
                                                                   : 0x1p-5;
          expect_product(all, x, w, most, shape.columns, precision == Precision::exact ? per_product : 2 * per_product, what);
          if (::testing::Test::HasFatalFailure()) return;
          if (precision == Precision::fast && !on_card()) continue;  // kernels for few and for many inputs round differently there
          for (const std::int64_t n : {1, 2, 3, 8, 9, 33, 130}) {
            if (n > most) continue;
            const Values few = multiplied(machine, weight, x, n, shape.columns, shape.rows);
            ASSERT_TRUE(std::equal(few.begin(), few.end(), all.begin())) << what << ": " << n << " rows of " << most;
          }
        }
      }
    }
}

// Batches that fill a card, where kernels take more inputs at a time: the bits of small batches, for every way in which tiles are cut.
TEST_P(DeviceParity, rows_of_large_batches_do_not_see_them) {
  constexpr std::int64_t kRows = 900, kColumns = 384, kMost = 2048;
  const Values x = random_values(kMost * kColumns, 9), bias = random_values(kRows, 10);
  for (const MatrixFormat& format : all_formats()) {
    if (!format.packed() || (!on_card() && format.bits != 4)) continue;
    const TestMatrix matrix(format, kRows, kColumns, 11);
    const Weight* weight = machine.weight({matrix.view()}, bias, on_card() ? Precision::fast : Precision::exact);
    const auto logits = [&](std::int64_t n) {
      const Tensor y = machine.empty(n, kRows);
      machine->head(machine.tensor(Values(x.begin(), x.begin() + n * kColumns), n, kColumns), *weight, 30.0f, y);
      return machine.read(y);
    };
    const Values all = multiplied(machine, weight, x, kMost, kColumns, kRows), capped = logits(300);
    for (const std::int64_t n : {1, 8, 24, 64, 130, 512, 1000}) {
      const Values few = multiplied(machine, weight, x, n, kColumns, kRows);
      ASSERT_TRUE(std::equal(few.begin(), few.end(), all.begin())) << format_name(format) << ": " << n << " rows";
    }
    const Values one = logits(1);
    ASSERT_TRUE(std::equal(one.begin(), one.end(), capped.begin())) << format_name(format) << " with bias and cap";
  }
}

// Every slot of a mixture equals its expert's matrix alone, for few tokens and for many.
TEST_P(DeviceParity, mixtures_equal_their_experts_alone) {
  constexpr std::int64_t kExperts = 20, kTop = 3, kIn = 256, kOut = 48;
  for (const MatrixFormat& format : {MatrixFormat{DType::u32, 2, 32, DType::bf16}, MatrixFormat{DType::u32, 3, 64, DType::f16},
                                     MatrixFormat{DType::u32, 4, 64, DType::bf16}, MatrixFormat{DType::u32, 6, 128, DType::bf16},
                                     MatrixFormat{DType::u32, 8, 32, DType::f32}, MatrixFormat{DType::bf16}}) {
    std::deque<TestMatrix> matrices;
    std::vector<MatrixView> views;
    for (unsigned e = 0; e < kExperts; ++e) matrices.emplace_back(format, kOut, kIn, e);
    for (const TestMatrix& m : matrices) views.push_back(m.view());
    for (const Precision precision : {Precision::exact, Precision::fast}) {
      if (precision == Precision::fast && !on_card()) continue;  // see above
      const Weight* weight = machine.weight(views, {}, precision);
      std::vector<const Weight*> alone;
      for (const MatrixView& v : views) alone.push_back(machine.weight({v}, {}, precision));
      for (const std::int64_t n : {1, 7, 200, 1500}) {
        const Values x = random_values(n * kIn, 60), logits = random_values(n * kExperts, 61, 2.0f);
        const Routing routing{machine.empty(n, kTop), machine.empty(n, kTop, DType::i32), machine.empty(n * kTop, 1, DType::i32),
                              machine.empty(kExperts + 1, 1, DType::i32)};
        machine->route({machine.tensor(logits, n, kExperts), {.normalized = true}, routing});
        const Tensor tx = machine.tensor(x, n, kIn), y = machine.empty(n * kTop, kOut);
        const LinearOut outs[] = {{weight, y}};
        machine->expert_linear(tx, false, routing, outs);
        const Values found = machine.read(y);
        const auto begin = machine.read_ints(routing.begin), tokens = machine.read_ints(routing.tokens);
        for (std::int64_t e = 0; e < kExperts; ++e)
          for (std::int32_t slot = begin[at(e)]; slot < begin[at(e + 1)]; ++slot) {
            if (n >= 200 && slot % (n / 29) != 0) continue;
            const Values row(x.begin() + tokens[at(slot)] * kIn, x.begin() + (tokens[at(slot)] + 1) * kIn);
            const Values expected = multiplied(machine, alone[at(e)], row, 1, kIn, kOut);
            ASSERT_TRUE(std::equal(expected.begin(), expected.end(), found.begin() + slot * kOut))
                << format_name(format) << ", " << n << " tokens, slot " << slot;
          }
        // The same rows by slot.
        Values by_slot;
        for (const std::int32_t token : tokens) by_slot.insert(by_slot.end(), x.begin() + token * kIn, x.begin() + (token + 1) * kIn);
        const Tensor again = machine.empty(n * kTop, kOut);
        const LinearOut outs_again[] = {{weight, again}};
        machine->expert_linear(machine.tensor(by_slot, n * kTop, kIn), true, routing, outs_again);
        ASSERT_EQ(machine.read(again), found) << format_name(format) << ", " << n << " tokens by slot";
      }
    }
  }
}

TEST_P(DeviceParity, routing_is_the_reference) {
  constexpr std::int64_t kExperts = 128, kTop = 8;
  for (const std::int64_t n : {1, 5, 300}) {
    Values logits = random_values(n * kExperts, 70, 3.0f);
    logits[3] = logits[9] = logits[77] = 50.0f;                                     // equal: the lower index first
    for (int e = 0; e < 40; ++e) logits[at(e + 80)] = -INFINITY;                    // never chosen before a finite one
    if (n > 1) logits[at(kExperts + 5)] = std::numeric_limits<float>::quiet_NaN();  // a strict order all the same
    std::vector<std::vector<std::int32_t>> ints[2];
    Values weights[2];
    int which = 0;
    for (Machine* m : {&machine, &reference}) {
      const Routing routing{m->empty(n, kTop), m->empty(n, kTop, DType::i32), m->empty(n * kTop, 1, DType::i32),
                            m->empty(kExperts + 1, 1, DType::i32)};
      (*m)->route({m->tensor(logits, n, kExperts), {.normalized = true}, routing});
      ints[which] = {m->read_ints(routing.begin), m->read_ints(routing.slots), m->read_ints(routing.tokens)};
      weights[which++] = m->read(routing.weights);
    }
    EXPECT_EQ(ints[0], ints[1]) << n;
    for (std::size_t i = 0; i < weights[0].size(); ++i) {
      if (std::isnan(weights[1][i]))
        EXPECT_TRUE(std::isnan(weights[0][i])) << i;
      else
        EXPECT_NEAR(weights[0][i], weights[1][i], 4e-6f) << i;
    }
  }
}

// What a device makes of one batch over caches of one type.
struct Attended {
  Values rows, queries, keys;                   // the latter two as they were rotated
  std::vector<std::byte> values_of_first_page;  // as they are stored
};
struct AttentionCase {
  KvType type = KvType::f32;
  std::int64_t heads = 0, kv_heads = 0, dim = 0, window = 0;
  float softcap = 0;
  bool sinks = false;
};

// Sequence a: `prompt` tokens, the last `singles` of them one by one, then one in a batch beside five tokens of sequence b; rows of a come
// first, then b's, then a's one.
Attended run_attention(Machine& machine, const AttentionCase& c, std::int64_t prompt, std::int64_t singles) {
  const KvLayer cache{c.type, c.kv_heads, c.dim, c.dim, 64};
  PageStore store{.page_bytes = round_up<std::int64_t>(64 + cache.bytes(), 64), .pages_per_slab = 3, .slabs = {}};
  const std::int64_t pages_needed = (prompt + 1) / kPagePositions + 1;
  std::vector<std::unique_ptr<Buffer>> slabs;
  for (std::int64_t i = 0; i < pages_needed / 3 + 2; ++i) {
    slabs.push_back(machine->allocate(3 * store.page_bytes));
    store.slabs.push_back(slabs.back().get());
  }
  std::vector<std::int32_t> pages_a, pages_b = {1};
  for (std::int64_t i = 0; i < pages_needed; ++i)
    pages_a.push_back(static_cast<std::int32_t>(i == 0 ? 0 : pages_needed + 1 - i));  // disorder
  std::vector<std::vector<SequenceRun>> steps;
  if (singles < prompt) steps.push_back({{0, prompt - singles, 0}});
  for (std::int64_t i = prompt - singles; i < prompt; ++i) steps.push_back({{0, 1, i}});
  steps.push_back({{0, 5, 0}, {5, 1, prompt}});
  const std::int64_t half = c.dim / 4, q_size = c.heads * c.dim, k_size = c.kv_heads * c.dim, total = prompt + 6;
  const Values all_q = random_values(total * q_size, 81), all_k = random_values(total * k_size, 82),
               all_v = random_values(total * k_size, 83);
  Values frequencies(at(half));
  for (std::int64_t j = 0; j < half; ++j) frequencies[at(j)] = 1.0f / static_cast<float>(1 + 3 * j);
  Attended out;
  std::int64_t begin = 0;
  for (const std::vector<SequenceRun>& runs : steps) {
    std::int64_t n = 0;
    std::vector<std::int32_t> positions;
    std::vector<std::span<const std::int32_t>> pages;
    for (const SequenceRun& run : runs) {
      n += run.n_rows;
      for (std::int64_t i = 0; i < run.n_rows; ++i) positions.push_back(static_cast<std::int32_t>(run.position + i));
      pages.push_back(runs.size() == 2 && &run == &runs.front() ? std::span<const std::int32_t>(pages_b) : pages_a);
    }
    const auto part = [&](const Values& v, std::int64_t columns) {
      return machine.tensor(Values(v.begin() + begin * columns, v.begin() + (begin + n) * columns), n, columns);
    };
    const Tensor cosines = machine.empty(n, half), sines = machine.empty(n, half), q = part(all_q, q_size), rows = machine.empty(n, q_size);
    const Tensor k = part(all_k, k_size);
    machine->rotation(machine.tensor(positions), machine.tensor(frequencies, 1, half), 1.0f, cosines, sines);
    const KvBatch batch{&store, runs, pages};
    machine->rope_store({.q = q, .k = k, .v = part(all_v, k_size), .eps = 1e-6f, .cosines = cosines, .sines = sines, .cache = cache},
                        batch);
    machine->attend({.q = q,
                     .out = rows,
                     .sinks = c.sinks ? machine.tensor(random_values(c.heads, 84, 4.0f), 1, c.heads) : Tensor(),
                     .heads = c.heads,
                     .window = c.window,
                     .scale = 1.0f / std::sqrt(static_cast<float>(c.dim)),
                     .softcap = c.softcap,
                     .cache = cache},
                    batch);
    for (const auto& [to, from] : {std::pair{&out.rows, rows}, std::pair{&out.queries, q}, std::pair{&out.keys, k}}) {
      const Values found = machine.read(from);
      to->insert(to->end(), found.begin(), found.end());
    }
    begin += n;
  }
  const std::int64_t value_bytes = std::min<std::int64_t>(prompt, kPagePositions) * cache.value_row_bytes();
  out.values_of_first_page.resize(at(value_bytes));
  EXPECT_TRUE(
      machine->read({slabs[0].get(), cache.values_offset(), DType::u8, 1, value_bytes, value_bytes}, out.values_of_first_page.data()).ok());
  return out;
}

TEST_P(DeviceParity, attention_over_every_cache_is_the_reference) {
  const std::vector<AttentionCase> cases = {
      {KvType::f32, 4, 2, 64, 0, 0},        {KvType::f16, 4, 4, 128, 0, 0},   {KvType::bf16, 8, 1, 128, 0, 30.0f},
      {KvType::q8, 6, 2, 96, 0, 0},         {KvType::f16, 4, 1, 256, 70, 0},  {KvType::q8, 2, 1, 256, 300, 50},
      {KvType::f32, 5, 1, 20, 33, 0},       {KvType::bf16, 2, 2, 72, 64, 0},  {KvType::f16, 20, 1, 64, 0, 0},
      {KvType::f16, 8, 2, 64, 100, 0},      {KvType::bf16, 6, 2, 128, 70, 0}, {KvType::f16, 2, 1, 512, 0, 0},
      {KvType::f16, 8, 1, 64, 128, 0, true}};
  for (const AttentionCase& c : cases) {
    if (c.sinks && !machine->check(Attend{.sinks = machine.empty(1, c.heads)}).ok()) continue;
    for (const std::int64_t prompt : {3, 64, 90, 530}) {
      const std::string what = "heads " + std::to_string(c.heads) + " of " + std::to_string(c.dim) + ", type " +
                               std::to_string(static_cast<int>(c.type)) + ", prompt " + std::to_string(prompt);
      const Attended found = run_attention(machine, c, prompt, 0), expected = run_attention(reference, c, prompt, 0);
      EXPECT_EQ(found.values_of_first_page, expected.values_of_first_page) << what;
      const std::vector<double> rows(expected.rows.begin(), expected.rows.end());
      // A key that rounds to another neighbour in the cache moves scores by 2^-9 (bf16), 2^-12 (f16) or 2^-8 (q8) of themselves at most.
      const double terms = c.type == KvType::f32 ? 400.0 * d(static_cast<float>(c.dim)) : 2e7;
      expect_near(found.rows, rows, c.type == KvType::q8 || c.type == KvType::bf16 ? 64 * terms : terms, what);
      if (::testing::Test::HasFatalFailure()) return;
      if (prompt > 100 && !on_card()) continue;  // chunks of positions are the card's
      const Attended single = run_attention(machine, c, prompt, prompt > 100 ? 5 : prompt);
      ASSERT_TRUE(single.rows == found.rows) << what << ": rows depend on their batch";
      ASSERT_TRUE(single.queries == found.queries && single.keys == found.keys) << what << ": rotations depend on their batch";
      ASSERT_TRUE(single.values_of_first_page == found.values_of_first_page) << what;
    }
  }
}

TEST_P(DeviceParity, a_float16_cache_reports_what_it_cannot_hold) {
  const KvLayer cache{KvType::f16, 1, 32, 32, 0};
  PageStore store{.page_bytes = cache.bytes(), .pages_per_slab = 1, .slabs = {}};
  const std::unique_ptr<Buffer> slab = machine->allocate(store.page_bytes);
  store.slabs.push_back(slab.get());
  const std::vector<std::int32_t> pages = {0};
  const std::vector<std::span<const std::int32_t>> page_lists = {pages};
  const std::vector<SequenceRun> runs = {{0, 1, 0}};
  for (const float value : {65000.0f, 70000.0f}) {
    machine->rope_store({.q = machine.tensor(Values(32, 1.0f), 1, 32),
                         .k = machine.tensor(Values(32, 1.0f), 1, 32),
                         .v = machine.tensor(Values(32, value), 1, 32),
                         .cosines = machine.tensor({1.0f}, 1, 1),
                         .sines = machine.tensor({0.0f}, 1, 1),
                         .cache = cache},
                        {&store, runs, page_lists});
    EXPECT_EQ(machine->wait().code(), value < 65504.0f ? StatusCode::ok : StatusCode::unsupported);
    EXPECT_TRUE(machine->wait().ok()) << "forgotten";
  }
}

TEST_P(DeviceParity, wide_rows_are_the_reference) {
  for (const std::int64_t n : {2048, 5376}) {
    const Values x = random_values(3 * n, 90, 20.0f), branch = random_values(3 * n, 91), weight = random_values(n, 92);
    std::vector<double> expected[2];
    Values found[2];
    for (Machine* m : {&reference, &machine}) {
      const Tensor t = m->tensor(x, 3, n, 5), out = m->empty(3, n);
      (*m)->add_norm({.x = t,
                      .branch = m->tensor(branch, 3, n),
                      .branch_norm = m->tensor(weight, 1, n),
                      .norm = m->tensor(weight, 1, n),
                      .out = out,
                      .eps = 1e-6f});
      found[0] = m->read(out);
      found[1] = m->read(t);
      if (m == &reference)
        for (int i = 0; i < 2; ++i) expected[i].assign(found[i].begin(), found[i].end());
    }
    for (int i = 0; i < 2; ++i) expect_near(found[i], expected[i], d(static_cast<float>(n)), "width " + std::to_string(n));
  }
}

TEST_P(DeviceParity, gram_matrices_are_sums_of_products) {
  for (const std::int64_t n : {1, 5, 300}) {
    constexpr std::int64_t kColumns = 160;
    const Values x = random_values(n * kColumns, 95);
    const Tensor out = machine.tensor(Values(at(kColumns * kColumns), 0.5f), kColumns, kColumns), t = machine.tensor(x, n, kColumns);
    machine->gram(t, out);
    machine->gram(t, out);
    const Values found = machine.read(out);
    for (std::int64_t i = 0; i < kColumns; ++i)
      for (std::int64_t j = i; j < kColumns; ++j) {
        double sum = 0;
        for (std::int64_t r = 0; r < n; ++r) sum += d(x[at(r * kColumns + i)]) * d(x[at(r * kColumns + j)]);
        ASSERT_NEAR(d(found[at(i * kColumns + j)]), 0.5 + 2 * sum, 1e-5 * (1.0 + std::sqrt(d(static_cast<float>(n))) * 4)) << i << " " << j;
      }
  }
}

// The sizes of Qwen3-Next's layers, three sequences in a batch, against the reference and each sequence alone.
TEST_P(DeviceParity, recurrent_layers_of_real_sizes_are_the_reference) {
  constexpr std::int64_t kKeyHeads = 2, kHeads = 4, kKey = 128, kValue = 128, kKernel = 4, kQ = kKeyHeads * kKey;
  constexpr std::int64_t kChannels = 2 * kQ + kHeads * kValue;
  const std::vector<std::int64_t> lengths = {1, 7, 40};
  const Values weight = random_values(kChannels * kKernel, 100, 0.5f), a_log = random_values(kHeads, 101),
               dt_bias = random_values(kHeads, 102);
  const std::int64_t total = 48;
  const Values x = random_values(total * kChannels, 103), ba = random_values(total * 2 * kHeads, 104);
  const auto run = [&](Machine& m, std::vector<std::int64_t> which) {
    std::vector<SequenceRun> runs;
    std::vector<Tensor> conv_states, delta_states;
    Values rows, gates;
    std::int64_t n = 0;
    for (const std::int64_t w : which) {
      const std::int64_t first = w == 0 ? 0 : w == 1 ? 1 : 8, length = lengths[at(w)];
      rows.insert(rows.end(), x.begin() + first * kChannels, x.begin() + (first + length) * kChannels);
      gates.insert(gates.end(), ba.begin() + first * 2 * kHeads, ba.begin() + (first + length) * 2 * kHeads);
      runs.push_back({n, length, 5});
      conv_states.push_back(m.tensor(random_values((kKernel - 1) * kChannels, 105 + static_cast<unsigned>(w)), kKernel - 1, kChannels));
      delta_states.push_back(m.tensor(random_values(kHeads * kKey * kValue, 108 + static_cast<unsigned>(w), 0.1f), kHeads * kKey, kValue));
      n += length;
    }
    const Tensor mixed = m.tensor(rows, n, kChannels), qkv = m.empty(n, kChannels), out = m.empty(n, kHeads * kValue);
    m->conv({mixed, qkv, m.tensor(weight, kChannels, kKernel), conv_states}, runs);
    m->delta({.key_heads = kKeyHeads,
              .value_heads = kHeads,
              .key_dim = kKey,
              .value_dim = kValue,
              .qkv = qkv,
              .ba = m.tensor(gates, n, 2 * kHeads),
              .a_log = m.tensor(a_log, 1, kHeads),
              .dt_bias = m.tensor(dt_bias, 1, kHeads),
              .states = delta_states,
              .out = out},
             runs);
    std::vector<Values> found = {m.read(out)};
    for (const Tensor& t : conv_states) found.push_back(m.read(t));
    for (const Tensor& t : delta_states) found.push_back(m.read(t));
    return found;
  };
  const std::vector<Values> found = run(machine, {0, 1, 2}), expected = run(reference, {0, 1, 2}), alone = run(machine, {2});
  for (std::size_t i = 0; i < found.size(); ++i)
    expect_near(found[i], std::vector<double>(expected[i].begin(), expected[i].end()), 64.0 * kKey, "result " + std::to_string(i));
  EXPECT_TRUE(std::equal(alone[0].begin(), alone[0].end(), found[0].begin() + 8 * kHeads * kValue)) << "a sequence sees its batch";
  EXPECT_EQ(alone[1], found[3]);
  EXPECT_EQ(alone[2], found[6]);
}

TEST_P(DeviceParity, a_weight_that_does_not_fit_is_refused_with_the_numbers) {
  if (!on_card()) GTEST_SKIP() << "the CPU computes with the bytes where they lie";
  MatrixView huge;
  huge.format = {DType::f32};
  huge.n_rows = std::int64_t{1} << 30;
  huge.n_cols = 4096;
  const auto refused = machine->upload({std::span(&huge, 1), {}, Precision::exact});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().code(), StatusCode::out_of_memory);
  EXPECT_NE(refused.status().message().find("17592186044416 bytes"), std::string::npos) << refused.status().message();
  EXPECT_NE(refused.status().message().find("are free"), std::string::npos) << refused.status().message();
  // Nothing is lost: the device still works.
  const Values values = random_values(64, 1);
  EXPECT_EQ(machine.read(machine.tensor(values, 8, 8)), values);
}

}  // namespace
}  // namespace jang::kernels
