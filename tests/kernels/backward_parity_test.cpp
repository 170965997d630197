// SPDX-License-Identifier: Apache-2.0
// Gradients of ops over odd shapes, several texts and rows that are not neighbours, against the reference device; what rows, texts and
// products are alone, bit for bit. The devices are the fastest CPU backend, on which these tests prove themselves everywhere, and the card
// where there is one. Slopes of the formulas are backward_test.cpp's.
#include <gtest/gtest.h>

#include <deque>
#include <functional>

#include "device_machine.h"
#include "kernels/backward.h"

namespace jang::kernels {
namespace {

class BackwardParity : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (!machine.problem().empty()) GTEST_SKIP() << machine.problem();
  }
  // Runs `f`, which gives values, on both devices. `terms`: of the longest sum.
  void expect_reference(const std::function<std::vector<Values>(Machine&)>& f, double terms, const std::string& what) {
    const std::vector<Values> found = f(machine), expected = f(reference);
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      expect_near(found[i], std::vector<double>(expected[i].begin(), expected[i].end()), 4 * terms, what + ", result " + std::to_string(i));
      if (HasFatalFailure()) return;
    }
    EXPECT_EQ(f(machine), found) << what << ": another run gives other bits";
  }
  Machine machine{GetParam(), 2};
  Machine reference{"ref", 2};
};
INSTANTIATE_TEST_SUITE_P(Backward, BackwardParity, ::testing::ValuesIn(compared_devices()), [](const auto& p) { return p.param; });

double many(std::int64_t n) { return static_cast<double>(n); }

TEST_P(BackwardParity, every_format_hands_its_gradient_to_the_inputs) {
  constexpr std::int64_t kN = 70, kRows = 37, kOther = 5;
  for (const MatrixFormat& format : all_formats())
    for (const std::int64_t columns : {std::int64_t{384}, std::int64_t{301}}) {
      if (format.packed() && columns % format.group_size != 0) continue;
      const TestMatrix matrix(format, kRows, columns, 7, format.packed() ? 3 : 0), other({DType::f32}, kOther, columns, 8);
      const Values dy = random_values(kN * kRows, 1), dother = random_values(kN * kOther, 2), before = random_values(kN * columns, 3);
      for (const bool add : {false, true})
        expect_reference(
            [&](Machine& m) {
              const Tensor dx = m.tensor(before, kN, columns, 5);
              const LinearGradient maps[] = {{m.weight({matrix.view()}), m.tensor(dy, kN, kRows, 3)},
                                             {m.weight({other.view()}), m.tensor(dother, kN, kOther)}};
              m->backward()->linear(maps, add, dx);
              return std::vector<Values>{m.read(dx)};
            },
            many(kRows + kOther), format_name(format) + " " + std::to_string(columns));
      if (HasFatalFailure()) return;
    }
}

// Shapes that fill a card, and the rows of a batch alone.
TEST_P(BackwardParity, inputs_of_linear_maps_do_not_see_their_batch) {
  constexpr std::int64_t kN = 2100, kRows = 41, kColumns = 2048;
  for (const MatrixFormat& format : {MatrixFormat{DType::f32}, MatrixFormat{DType::bf16}, MatrixFormat{DType::u32, 3, 64, DType::bf16}}) {
    const TestMatrix matrix(format, kRows, kColumns, 7);
    const Values w = dequantized(matrix.view()), dy = random_values(kN * kRows, 1);
    const auto gradient = [&](std::int64_t n) {
      const Tensor dx = machine.empty(n, kColumns);
      const LinearGradient maps[] = {
          {machine.weight({matrix.view()}), machine.tensor(Values(dy.begin(), dy.begin() + n * kRows), n, kRows)}};
      machine->backward()->linear(maps, false, dx);
      return machine.read(dx);
    };
    const Values all = gradient(kN);
    for (const std::int64_t n : {std::int64_t{1}, std::int64_t{70}}) {
      const Values few = gradient(n);
      ASSERT_TRUE(std::equal(few.begin(), few.end(), all.begin())) << format_name(format) << ": " << n << " rows";
    }
    for (std::int64_t i = 0; i < kN; i += 131)
      for (std::int64_t c = 0; c < kColumns; c += 7) {
        double sum = 0, size = 0;
        for (std::int64_t r = 0; r < kRows; ++r) {
          const double product = d(dy[at(i * kRows + r)]) * d(w[at(r * kColumns + c)]);
          sum += product;
          size += std::abs(product);
        }
        ASSERT_NEAR(d(all[at(i * kColumns + c)]), sum, 1e-6 * size + 1e-30) << format_name(format) << " " << i << " " << c;
      }
  }
}

TEST_P(BackwardParity, gradients_of_weights_are_products_side_by_side) {
  struct Shape {
    std::int64_t rows, columns, n;
  };
  const std::vector<Shape> odd = {{70, 130, 75}, {1, 3, 17}, {64, 64, 16}, {129, 5, 1}, {7, 70, 0}};
  std::vector<Shape> large(20, Shape{300, 500, 33});  // enough for large tiles
  large[3] = {130, 257, 40};
  for (const std::vector<Shape>& shapes : {odd, large})
    expect_reference(
        [&](Machine& m) {
          std::vector<WeightGradient> products;
          unsigned seed = 1;
          for (const Shape& s : shapes)
            products.push_back({m.tensor(random_values(s.n * s.rows, seed++), s.n, s.rows, 3),
                                m.tensor(random_values(s.n * s.columns, seed++), s.n, s.columns, 1), m.empty(s.rows, s.columns)});
          m->backward()->weight(products);
          std::vector<Values> found;
          for (const WeightGradient& p : products) found.push_back(m.read(p.dw));
          return found;
        },
        75, "products");
  // A product in company, in large tiles on a card, and alone in small ones; rows of it at an odd column.
  const Values dy = random_values(33 * 303, 1), x = random_values(33 * 500, 2);
  const Tensor all = machine.tensor(dy, 33, 303), tx = machine.tensor(x, 33, 500);
  std::vector<WeightGradient> company(20, {all, tx, {}});
  for (WeightGradient& p : company) p.dw = machine.empty(303, 500);
  const Tensor alone = machine.empty(130, 500);
  machine->backward()->weight(company);
  const WeightGradient one[] = {{all.column_range(3, 130), tx, alone}};
  machine->backward()->weight(one);
  const Values full = machine.read(company[7].dw), part = machine.read(alone);
  EXPECT_TRUE(std::equal(part.begin(), part.end(), full.begin() + 3 * 500));
}

TEST_P(BackwardParity, ops_on_rows_are_the_reference) {
  for (const std::int64_t columns : {1, 7, 70, 256, 257, 2049}) {
    constexpr std::int64_t kN = 13;
    const Values x = random_values(kN * columns, 1), dout = random_values(kN * columns, 2), gain = random_values(columns, 3),
                 up = random_values(kN * columns, 4), gate = random_values(kN, 5);
    for (const int way : {0, 1, 2})  // in place, elsewhere, added
      expect_reference(
          [&](Machine& m) {
            const Tensor tx = m.tensor(x, kN, columns, 2), td = m.tensor(dout, kN, columns, 1), dx = m.tensor(up, kN, columns, 3);
            const Tensor to = way == 0 ? td : dx;
            m->backward()->norm({.x = tx,
                                 .norm = way == 1 ? Tensor() : m.tensor(gain, 1, columns),
                                 .dout = td,
                                 .dx = to,
                                 .eps = 1e-6f,
                                 .offset = 1,
                                 .add = way == 2});
            return std::vector<Values>{m.read(to)};
          },
          many(columns), "norm of " + std::to_string(columns));
    expect_reference(
        [&](Machine& m) {
          const Tensor tx = m.tensor(x, kN, columns, 2), tu = m.tensor(up, kN, columns), td = m.tensor(dout, kN, columns, 1);
          const Tensor dx = m.empty(kN, columns, DType::f32, 3), dgate = m.empty(kN, 1);
          std::vector<Values> found;
          m->backward()->add_gated(tx, m.tensor(gate, kN, 1), td, dx, dgate);
          found = {m.read(dx), m.read(dgate)};
          for (const Activation a : {Activation::silu, Activation::gelu_tanh, Activation::sigmoid}) {
            const Tensor d = m.tensor(dout, kN, columns, 4);
            m->backward()->glu(a, tx, tu, d, dx, d);  // dup in the place of dout
            found.push_back(m.read(dx));
            found.push_back(m.read(d));
          }
          m->backward()->add(tx, td);
          found.push_back(m.read(td));
          m->backward()->softcap(tx, 3.0f, td);
          found.push_back(m.read(td));
          return found;
        },
        many(columns), "rows of " + std::to_string(columns));
    if (HasFatalFailure()) return;
  }
}

// A packed matrix in training: one of its groups rests, some latents lie beyond the range of codes.
struct PackedCase {
  static constexpr std::int64_t kRows = 5, kGroups = 3;
  int bits;
  std::int64_t group;
  DType stored;
  bool codes_learn;

  [[nodiscard]] std::int64_t columns() const { return kGroups * group; }
  [[nodiscard]] PackedStep start(Machine& m) const {
    const auto zeros = [&](std::int64_t n) { return m.tensor(Values(at(kRows * n)), kRows, n); };
    const auto trained = [&](const Tensor& value) { return Trained{value, zeros(value.columns), zeros(value.columns)}; };
    const float largest = static_cast<float>((1 << bits) - 1);
    Values scales = random_values(kRows * kGroups, 1, 0.1f), latents = random_values(kRows * columns(), 3, 0.6f * largest);
    scales[4] = 0;
    for (float& l : latents) l = std::floor(l + 0.5f * largest) + 0.3f;  // far from where rounding changes
    PackedStep step;
    step.bits = bits;
    step.group_size = static_cast<int>(group);
    step.stored = stored;
    step.scales0 = m.tensor(scales, kRows, kGroups);
    step.biases0 = m.tensor(random_values(kRows * kGroups, 2), kRows, kGroups);
    step.scales = trained(zeros(kGroups));
    step.biases = trained(zeros(kGroups));
    if (codes_learn) {
      step.latents = trained(m.tensor(latents, kRows, columns()));
    } else {
      std::vector<std::uint8_t> codes;
      for (const float l : latents) codes.push_back(static_cast<std::uint8_t>(std::clamp(l, 0.0f, largest)));
      step.codes = m.empty(kRows, columns(), DType::u8);
      EXPECT_TRUE(m->write(codes.data(), step.codes).ok());
    }
    step.weights = zeros(columns());
    step.scale_rate = 0.01f, step.bias_rate = 0.02f, step.latent_rate = 0.03f;
    return step;
  }
  // What moves after two steps, and the weights that are then written without a step.
  [[nodiscard]] std::vector<Values> train(Machine& m) const {
    PackedStep step = start(m);
    for (step.t = 1; step.t <= 2; ++step.t) {
      step.gradient = m.tensor(random_values(kRows * columns(), static_cast<unsigned>(5 + step.t)), kRows, columns());
      m->backward()->train(step);
      EXPECT_EQ(m.read(step.gradient), Values(at(kRows * columns()))) << "the gradient is used up";
    }
    std::vector<Values> out;
    for (const Trained& t : {step.scales, step.biases, step.latents})
      if (t.value.exists()) out.insert(out.end(), {m.read(t.value), m.read(t.first), m.read(t.second)});
    step.gradient = {};
    m->backward()->train(step);
    if (stored == DType::f32) out.push_back(m.read(step.weights));  // others round to what may be a neighbour
    return out;
  }
};

TEST_P(BackwardParity, steps_of_packed_matrices_are_the_reference) {
  for (const codec::WidthRow& width : codec::kWidths)
    for (const codec::GroupRow& group : codec::kGroups)
      for (const DType stored : {DType::bf16, DType::f16, DType::f32})
        for (const bool codes_learn : {true, false}) {
          const PackedCase c{width.bits, group.size, stored, codes_learn};
          expect_reference([&](Machine& m) { return c.train(m); }, many(group.size),
                           std::to_string(width.bits) + " bits, group " + std::to_string(group.size));
          if (HasFatalFailure()) return;
        }
}

// Ids that repeat often, that are outside and that lie at the ends.
TEST_P(BackwardParity, embeddings_sum_the_tokens_of_an_id) {
  constexpr std::int64_t kN = 700, kColumns = 530, kRows = 9, kFirst = 20;
  std::vector<std::int32_t> ids(at(kN));
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(18 + i * i % 13 + (i % 97 == 0 ? 1000 : 0));
  const Values dout = random_values(kN * kColumns, 1), before = random_values(kRows * kColumns, 2);
  expect_reference(
      [&](Machine& m) {
        const Tensor table = m.tensor(before, kRows, kColumns, 3);
        m->backward()->embed(m.tensor(ids), 0.7f, m.tensor(dout, kN, kColumns, 1), kFirst, table);
        return std::vector<Values>{m.read(table)};
      },
      many(kN), "embed");
}

TEST_P(BackwardParity, rotated_heads_turn_back) {
  constexpr std::int64_t kN = 9, kHeads = 5;
  for (const std::int64_t dim : {6, 40, 128})
    for (const bool normed : {false, true}) {
      const std::int64_t half = dim / 2 - (normed ? 1 : 0);
      const Values x = random_values(kN * kHeads * dim, 1), dout = random_values(kN * kHeads * dim, 2);
      expect_reference(
          [&](Machine& m) {
            const Tensor t = m.tensor(dout, kN, kHeads * dim, 3);
            m->backward()->rope({.x = m.tensor(x, kN, kHeads * dim, 1),
                                 .norm = normed ? m.tensor(random_values(dim, 3), 1, dim) : Tensor(),
                                 .cosines = m.tensor(random_values(kN * half, 4), kN, half),
                                 .sines = m.tensor(random_values(kN * half, 5), kN, half),
                                 .head_dim = dim,
                                 .eps = 1e-6f,
                                 .offset = 0.5f,
                                 .d = t});
            return std::vector<Values>{m.read(t)};
          },
          many(dim), "heads of " + std::to_string(dim));
    }
}

// Experts that no token chose are among them.
TEST_P(BackwardParity, mixtures_are_the_reference) {
  constexpr std::int64_t kHidden = 130, kFfn = 70;
  struct Mixture {
    std::int64_t n, experts, top_k;
  };
  for (const Mixture s : {Mixture{1, 5, 1}, {70, 9, 3}, {900, 3, 2}, {40, 200, 40}}) {
    const std::int64_t slots = s.n * s.top_k;
    Values logits = random_values(s.n * s.experts, 1, 2.0f);
    for (std::int64_t t = 0; t < s.n; ++t)
      if (s.experts > 5) logits[at(t * s.experts + 4)] = -50.0f;  // never chosen
    std::deque<TestMatrix> first, second;
    for (unsigned e = 0; e < static_cast<unsigned>(s.experts); ++e) {
      first.emplace_back(MatrixFormat{DType::u32, 5, 32, DType::f16}, kFfn, 128, e);
      second.emplace_back(MatrixFormat{DType::bf16}, 11, 128, 1000 + e);
    }
    std::vector<MatrixView> views[2];
    for (const TestMatrix& m : first) views[0].push_back(m.view());
    for (const TestMatrix& m : second) views[1].push_back(m.view());
    for (const bool normalized : {false, true})
      expect_reference(
          [&](Machine& m) {
            const Routing routing{m.empty(s.n, s.top_k), m.empty(s.n, s.top_k, DType::i32), m.empty(slots, 1, DType::i32),
                                  m.empty(s.experts + 1, 1, DType::i32)};
            m->route({m.tensor(logits, s.n, s.experts), {.normalized = normalized}, routing});
            const Tensor dx = m.empty(slots, kHidden, DType::f32, 2), dweights = m.empty(s.n, s.top_k), dlogits = m.empty(s.n, s.experts),
                         sums = m.tensor(random_values(s.n * kHidden, 5), s.n, kHidden, 1);
            Backward& ops = *m->backward();
            ops.combine(m.tensor(random_values(slots * kHidden, 2), slots, kHidden, 1), routing,
                        m.tensor(random_values(s.n * kHidden, 3), s.n, kHidden, 3), dx, dweights);
            ops.route(m.tensor(logits, s.n, s.experts), {.normalized = normalized}, routing, dweights, dlogits);
            ops.sum_slots(dx, routing, sums);
            const Tensor through = m.tensor(random_values(slots * 128, 6), slots, 128, 4);
            const LinearGradient maps[] = {{m.weight(views[0]), m.tensor(random_values(slots * kFfn, 7), slots, kFfn, 3)},
                                           {m.weight(views[1]), m.tensor(random_values(slots * 11, 8), slots, 11)}};
            ops.expert_linear(maps, routing, normalized, through);
            return std::vector<Values>{m.read(dx), m.read(dweights), m.read(dlogits), m.read(sums), m.read(through)};
          },
          many(kHidden), std::to_string(s.n) + " tokens, " + std::to_string(s.experts) + " experts");
    if (HasFatalFailure()) return;
  }
}

// The texts of a batch, one behind the other.
std::vector<SequenceRun> texts_of(const std::vector<std::int64_t>& lengths) {
  std::vector<SequenceRun> texts;
  std::int64_t first = 0;
  for (const std::int64_t n : lengths) {
    texts.push_back({first, n, 0});
    first += n;
  }
  return texts;
}
// Rows [first, first + n) of values in rows of `columns`.
Values rows_of_values(const Values& v, std::int64_t columns, std::int64_t first, std::int64_t n) {
  return {v.begin() + first * columns, v.begin() + (first + n) * columns};
}

struct AttentionShape {
  std::int64_t heads, kv_heads, key_dim, value_dim, window;
  float softcap;
};

std::vector<Values> attention_gradients(Machine& m, const AttentionShape& s, const std::vector<Values>& given,
                                        const std::vector<SequenceRun>& texts) {
  const std::int64_t n = texts.back().first_row + texts.back().n_rows;
  const std::int64_t q = s.heads * s.key_dim, k = s.kv_heads * s.key_dim, v = s.kv_heads * s.value_dim, o = s.heads * s.value_dim;
  const Tensor dq = m.empty(n, q, DType::f32, 3), dk = m.empty(n, k, DType::f32, 1), dv = m.empty(n, v);
  m->backward()->attend({.q = m.tensor(given[0], n, q, 1),
                         .k = m.tensor(given[1], n, k, 2),
                         .v = m.tensor(given[2], n, v, 3),
                         .dout = m.tensor(given[3], n, o),
                         .dq = dq,
                         .dk = dk,
                         .dv = dv,
                         .heads = s.heads,
                         .kv_heads = s.kv_heads,
                         .window = s.window,
                         .scale = 0.3f,
                         .softcap = s.softcap},
                        texts);
  return {m.read(dq), m.read(dk), m.read(dv)};
}

TEST_P(BackwardParity, attention_of_several_texts_is_the_reference) {
  const std::vector<SequenceRun> texts = texts_of({1, 70, 1100, 513, 64});
  constexpr std::int64_t kN = 1748;
  for (const AttentionShape s :
       {AttentionShape{6, 2, 20, 12, 0, 0}, AttentionShape{2, 2, 33, 70, 13, 0}, AttentionShape{4, 1, 6, 6, 530, 4},
        AttentionShape{3, 1, 16, 8, 64, 2}, AttentionShape{1, 1, 130, 130, 1, 0}}) {
    const std::string what = std::to_string(s.heads) + " heads of " + std::to_string(s.key_dim) + ", window " + std::to_string(s.window);
    const std::vector<std::int64_t> widths = {s.heads * s.key_dim, s.kv_heads * s.key_dim, s.kv_heads * s.value_dim, s.heads * s.value_dim};
    std::vector<Values> given;
    for (std::size_t i = 0; i < widths.size(); ++i) given.push_back(random_values(kN * widths[i], static_cast<unsigned>(i + 1)));
    expect_reference([&](Machine& m) { return attention_gradients(m, s, given, texts); }, 1100, what);
    if (HasFatalFailure()) return;
    const std::vector<Values> all = attention_gradients(machine, s, given, texts);
    for (const std::size_t t : {std::size_t{2}, std::size_t{4}}) {
      std::vector<Values> own;
      for (std::size_t i = 0; i < widths.size(); ++i)
        own.push_back(rows_of_values(given[i], widths[i], texts[t].first_row, texts[t].n_rows));
      const std::vector<Values> alone = attention_gradients(machine, s, own, {{0, texts[t].n_rows, 0}});
      for (std::size_t i = 0; i < 3; ++i)
        ASSERT_EQ(alone[i], rows_of_values(all[i], widths[i], texts[t].first_row, texts[t].n_rows))
            << what << ": text " << t << " sees others";
    }
  }
}

std::vector<Values> recurrent_gradients(Machine& m, const DeltaGradient& shape, const std::vector<Values>& given,
                                        const std::vector<SequenceRun>& texts) {
  const std::int64_t n = texts.back().first_row + texts.back().n_rows, values = shape.value_heads * shape.value_dim;
  const std::int64_t channels = 2 * shape.key_heads * shape.key_dim + values, gates = 2 * shape.value_heads;
  DeltaGradient op = shape;
  op.qkv = m.tensor(given[0], n, channels);
  op.ba = m.tensor(given[1], n, gates);
  op.a_log = m.tensor(random_values(shape.value_heads, 21), 1, shape.value_heads);
  op.dt_bias = m.tensor(random_values(shape.value_heads, 22), 1, shape.value_heads);
  op.dout = m.tensor(given[2], n, values);
  op.dqkv = m.empty(n, channels);
  op.dba = m.empty(n, gates);
  m->backward()->delta(op, texts);
  std::vector<Values> found = {m.read(op.dqkv), m.read(op.dba)};
  const Tensor dx = m.empty(n, channels), weight = m.tensor(random_values(channels * 4, 23, 0.5f), channels, 4);
  m->backward()->conv({.x = op.qkv, .weight = weight, .dout = m.tensor(given[3], n, channels), .dx = dx}, texts);
  found.push_back(m.read(dx));
  return found;
}

TEST_P(BackwardParity, recurrent_layers_of_several_texts_are_the_reference) {
  const std::vector<SequenceRun> texts = texts_of({1, 33, 70, 3, 96});
  constexpr std::int64_t kN = 203;
  struct Heads {
    std::int64_t keys, values, key_dim, value_dim;
  };
  for (const Heads h : {Heads{2, 4, 24, 40}, Heads{1, 3, 7, 5}, Heads{2, 2, 128, 128}, Heads{1, 1, 60, 200}}) {
    const std::string what = "states of " + std::to_string(h.key_dim) + " x " + std::to_string(h.value_dim);
    const DeltaGradient shape{.key_heads = h.keys, .value_heads = h.values, .key_dim = h.key_dim, .value_dim = h.value_dim};
    const std::int64_t channels = 2 * h.keys * h.key_dim + h.values * h.value_dim;
    const std::vector<std::int64_t> widths = {channels, 2 * h.values, h.values * h.value_dim, channels};
    std::vector<Values> given;
    for (std::size_t i = 0; i < widths.size(); ++i) given.push_back(random_values(kN * widths[i], static_cast<unsigned>(i + 1)));
    expect_reference([&](Machine& m) { return recurrent_gradients(m, shape, given, texts); }, many(64 * h.key_dim), what);
    if (HasFatalFailure()) return;
    const std::vector<Values> all = recurrent_gradients(machine, shape, given, texts);
    std::vector<Values> own;
    for (std::size_t i = 0; i < widths.size(); ++i) own.push_back(rows_of_values(given[i], widths[i], texts[2].first_row, texts[2].n_rows));
    const std::vector<Values> alone = recurrent_gradients(machine, shape, own, {{0, texts[2].n_rows, 0}});
    const std::int64_t found_widths[] = {channels, 2 * h.values, channels};
    for (std::size_t i = 0; i < 3; ++i)
      ASSERT_EQ(alone[i], rows_of_values(all[i], found_widths[i], texts[2].first_row, texts[2].n_rows)) << what << ": a text sees others";
  }
}

}  // namespace
}  // namespace jang::kernels
