// SPDX-License-Identifier: Apache-2.0
// Caches of a sequence: growth keeps what is stored, layers hold memory only when they run, copies are independent.
#include "model/sequence.h"

#include <gtest/gtest.h>

#include <cstring>

#include "model/sequence_state.h"

namespace jang::model {
namespace {

arch::DecoderConfig config() {
  arch::DecoderConfig c;
  c.n_kv_heads = 3;
  c.head_dim = 8;
  c.layers = {arch::LayerKind::gated_delta, arch::LayerKind::full_attention, arch::LayerKind::full_attention};
  c.delta = {2, 4, 8, 16, 4, false};
  return c;
}

class SequenceTypes : public ::testing::TestWithParam<kernels::KvType> {};
INSTANTIATE_TEST_SUITE_P(Sequence, SequenceTypes,
                         ::testing::Values(kernels::KvType::f32, kernels::KvType::f16, kernels::KvType::bf16, kernels::KvType::q8));

TEST_P(SequenceTypes, growing_keeps_every_row) {
  Sequence s(config(), GetParam());
  Sequence::State& state = s.state();
  const auto mark = [](std::int64_t head, std::int64_t position, bool value) {
    return static_cast<std::byte>(head * 50 + position % 50 + (value ? 128 : 0));
  };
  for (std::int64_t p = 0; p < 500; ++p) {
    ASSERT_TRUE(state.reserve_kv(1, p + 1));
    for (std::int64_t h = 0; h < 3; ++h) {
      std::memset(state.key_row(1, h, p), static_cast<int>(mark(h, p, false)), static_cast<std::size_t>(state.row_bytes));
      std::memset(state.value_row(1, h, p), static_cast<int>(mark(h, p, true)), static_cast<std::size_t>(state.row_bytes));
    }
    s.advance(1);
  }
  const Sequence copy = s.clone();
  for (Sequence::State* each : {&state, &copy.state()})
    for (std::int64_t p = 0; p < 500; ++p)
      for (std::int64_t h = 0; h < 3; ++h) {
        ASSERT_EQ(each->key_row(1, h, p)[state.row_bytes - 1], mark(h, p, false)) << h << " " << p;
        ASSERT_EQ(each->value_row(1, h, p)[0], mark(h, p, true)) << h << " " << p;
      }
  EXPECT_EQ(s.bytes(), 2 * 500 * 3 * state.row_bytes);
  EXPECT_EQ(copy.bytes(), s.bytes());
  EXPECT_EQ(copy.state().kv[2].capacity, 0) << "a layer that never ran holds nothing";
}

TEST(Sequence, recurrent_states_start_at_zero_and_are_copied) {
  Sequence s(config(), kernels::KvType::f32);
  Sequence::State& state = s.state();
  ASSERT_TRUE(state.reserve_delta(0));
  EXPECT_EQ(state.conv_values(), 3 * (2 * 16 + 64));
  EXPECT_EQ(state.delta_values(), 4 * 8 * 16);
  for (std::int64_t i = 0; i < state.delta_values(); ++i) ASSERT_EQ(state.delta[0].delta.get()[i], 0.0f);
  state.delta[0].delta.get()[5] = 3;
  state.delta[0].position = 2;
  s.advance(2);
  Sequence copy = s.clone();
  state.delta[0].delta.get()[5] = 4;
  EXPECT_EQ(copy.state().delta[0].delta.get()[5], 3.0f);
  EXPECT_FALSE(copy.truncate(1));
  EXPECT_TRUE(copy.truncate(2));
  EXPECT_TRUE(copy.truncate(0));
  EXPECT_EQ(copy.bytes(), 0);
}

TEST(Sequence, a_request_no_memory_can_hold_fails_and_keeps_the_cache) {
  Sequence s(config(), kernels::KvType::f32);
  ASSERT_TRUE(s.state().reserve_kv(1, 10));
  s.advance(10);
  std::memset(s.state().key_row(1, 2, 9), 77, 4);
  EXPECT_FALSE(s.state().reserve_kv(1, INT64_MAX / 2));
  EXPECT_FALSE(s.state().reserve_kv(1, std::int64_t{1} << 50));
  EXPECT_EQ(s.state().key_row(1, 2, 9)[0], std::byte{77});
}

}  // namespace
}  // namespace jang::model
