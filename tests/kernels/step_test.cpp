// SPDX-License-Identifier: Apache-2.0
// The ops of a decoding step in their order: a device may make one kernel of several, and must not let it show. A row on its own is
// compared with the same row in a batch, bit for bit, in every tensor that the ops write.
#include <gtest/gtest.h>

#include <deque>

#include "device_machine.h"

namespace jang::kernels {
namespace {

class DeviceStep : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (!machine.problem().empty()) GTEST_SKIP() << machine.problem();
  }
  [[nodiscard]] bool on_card() const { return GetParam() == "cuda"; }
  Machine machine{GetParam(), 2};
};
INSTANTIATE_TEST_SUITE_P(Device, DeviceStep, ::testing::ValuesIn(compared_devices()), [](const auto& p) { return p.param; });

// Columns that eight slices share, and more rows than a block takes at once.
constexpr std::int64_t kHidden = 1280, kKv = 64, kFfn = 1536, kVocab = 4240;

struct Maps {
  std::deque<TestMatrix> matrices;
  const Weight *q, *k, *v, *o, *gate, *up, *down, *head;
  Maps(Machine& machine, const MatrixFormat& format, Precision precision, bool with_bias) {
    const auto made = [&](std::int64_t rows, std::int64_t columns, const MatrixFormat& of) {
      const Values bias = random_values(rows, 3);
      matrices.emplace_back(of, rows, columns, static_cast<unsigned>(matrices.size()));
      return machine.weight({matrices.back().view()}, with_bias ? std::span<const float>(bias) : std::span<const float>(), precision);
    };
    MatrixFormat other = format;  // maps of an input need not be of one format
    other.bits = format.bits == 4 ? 6 : format.bits;
    q = made(kHidden, kHidden, format), k = made(kKv, kHidden, other), v = made(kKv, kHidden, format);
    o = made(kHidden, kHidden, format);
    gate = made(kFfn, kHidden, format), up = made(kFfn, kHidden, format), down = made(kHidden, kFfn, format);
    head = made(kVocab, kHidden, format);
  }
};

// Every tensor that a layer and the head write, row after row.
std::vector<Values> run_step(Machine& m, const Maps& maps, const Values& rows, std::int64_t n, Activation activation) {
  const Tensor x = m.tensor(rows, n, kHidden), normed = m.empty(n, kHidden), branch = m.empty(n, kHidden);
  const Tensor q = m.empty(n, kHidden), k = m.empty(n, kKv), v = m.empty(n, kKv), gate = m.empty(n, kFfn), up = m.empty(n, kFfn);
  const Tensor logits = m.empty(n, kVocab), first = m.tensor(random_values(kHidden, 21), 1, kHidden);
  const Tensor second = m.tensor(random_values(kHidden, 22), 1, kHidden);
  m->add_norm({.x = x, .norm = first, .out = normed, .eps = 1e-5f});
  const LinearOut qkv[] = {{maps.q, q}, {maps.k, k}, {maps.v, v}};
  m->linear(normed, qkv);
  const LinearOut o[] = {{maps.o, branch}};
  m->linear(q, o);
  m->add_norm({.x = x, .branch = branch, .norm = second, .out = normed, .eps = 1e-5f, .offset = 1.0f});
  const LinearOut ffn[] = {{maps.gate, gate}, {maps.up, up}};
  m->linear(normed, ffn);
  m->glu(activation, gate, up, gate);
  const LinearOut down[] = {{maps.down, branch}};
  m->linear(gate, down);
  m->add_norm({.x = x, .branch = branch});
  m->add_norm({.x = x, .out = normed, .eps = 1e-5f});
  m->head(normed, *maps.head, 30.0f, logits);
  std::vector<Values> found;
  for (const Tensor& t : {x, normed, branch, q, k, v, gate, up, logits}) found.push_back(m.read(t));
  return found;
}

TEST_P(DeviceStep, a_row_alone_has_the_bits_of_a_row_in_a_batch) {
  constexpr std::int64_t kRows = 3;
  const Values rows = random_values(kRows * kHidden, 20, 3.0f);
  std::vector<MatrixFormat> formats = {{DType::u32, 4, 64, DType::bf16}};
  if (on_card())
    for (const MatrixFormat& format : all_formats())
      if (format.packed()) formats.push_back(format);
  for (const MatrixFormat& format : formats) {
    const Activation activation = format.bits % 2 == 0 ? Activation::silu : Activation::gelu_tanh;
    const Maps maps(machine, format, on_card() ? Precision::fast : Precision::exact, format.group_size == 64);
    const std::vector<Values> batch = run_step(machine, maps, rows, kRows, activation);
    for (std::int64_t i = 0; i < kRows; ++i) {
      const std::vector<Values> alone =
          run_step(machine, maps, Values(rows.begin() + i * kHidden, rows.begin() + (i + 1) * kHidden), 1, activation);
      for (std::size_t t = 0; t < alone.size(); ++t) {
        const auto size = static_cast<std::int64_t>(alone[t].size());
        ASSERT_TRUE(std::equal(alone[t].begin(), alone[t].end(), batch[t].begin() + i * size))
            << format_name(format) << ": tensor " << t << " of row " << i;
      }
    }
  }
}

// What a device has not begun when its tensors are overwritten, read or freed is done before.
TEST_P(DeviceStep, what_is_kept_back_sees_the_values_of_its_time) {
  const TestMatrix matrix({DType::u32, 4, 64, DType::bf16}, kHidden, kHidden, 1);
  const Weight* weight = machine.weight({matrix.view()}, {}, Precision::fast);
  const Values values = random_values(kHidden, 30), zeros(at(kHidden), 0.0f);
  const Tensor x = machine.tensor(values, 1, kHidden), normed = machine.empty(1, kHidden), y = machine.empty(1, kHidden);
  machine->add_norm({.x = x, .out = normed, .eps = 1e-5f});
  const Values expected_norm = machine.read(normed);
  const LinearOut out[] = {{weight, y}};
  machine->linear(normed, out);
  const Values expected = machine.read(y);

  machine->add_norm({.x = x, .out = normed, .eps = 1e-5f});
  EXPECT_TRUE(machine->write(zeros.data(), x).ok());
  EXPECT_EQ(machine.read(normed), expected_norm) << "the norm's input was overwritten";
  machine->linear(normed, out);
  EXPECT_TRUE(machine->write(zeros.data(), normed).ok());
  EXPECT_EQ(machine.read(y), expected) << "the map's input was overwritten";

  EXPECT_TRUE(machine->write(values.data(), x).ok());
  machine->add_norm({.x = x, .out = normed, .eps = 1e-5f});
  machine->linear(normed, out);
  machine->add_norm({.x = x, .branch = y});  // the sum goes where the norm reads
  Values sum = values;
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += expected[i];
  EXPECT_EQ(machine.read(x), sum);

  EXPECT_TRUE(machine->write(values.data(), x).ok());
  machine->add_norm({.x = x, .out = x, .eps = 1e-5f});  // in place
  machine->linear(x, out);
  EXPECT_EQ(machine.read(y), expected);

  std::unique_ptr<Buffer> shortlived = machine->allocate(kHidden * 4);
  const Tensor gone{shortlived.get(), 0, DType::f32, 1, kHidden, kHidden};
  EXPECT_TRUE(machine->write(values.data(), gone).ok());
  machine->add_norm({.x = gone, .out = normed, .eps = 1e-5f});
  machine->linear(normed, out);
  shortlived.reset();
  EXPECT_EQ(machine.read(normed), expected_norm) << "the norm's input was freed";
  EXPECT_EQ(machine.read(y), expected);
}

}  // namespace
}  // namespace jang::kernels
