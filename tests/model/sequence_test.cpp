// SPDX-License-Identifier: Apache-2.0
// Pages of a sequence: taken as positions need them, shared by clones, copied by who writes first, given back; states of recurrent layers.
#include "model/sequence.h"

#include <gtest/gtest.h>

#include "../support/test_device.h"

namespace jang::model {
namespace {

arch::DecoderConfig config() {
  arch::DecoderConfig c;
  const arch::AttentionSpec attention{.n_heads = 6, .n_kv_heads = 3, .key_dim = 8, .value_dim = 8};
  const arch::AttentionSpec wide{.n_heads = 4, .n_kv_heads = 2, .key_dim = 48, .value_dim = 32};
  c.layers.resize(5);
  c.layers[0].mixer = arch::DeltaSpec{2, 4, 8, 16, 4, false};
  c.layers[1].mixer = c.layers[2].mixer = attention;
  c.layers[3].mixer = arch::DeltaSpec{1, 2, 4, 8, 3, false};
  c.layers[4].mixer = wide;
  return c;
}

class SequenceTypes : public ::testing::TestWithParam<kernels::KvType> {
 protected:
  std::shared_ptr<CachePool> pool(std::int64_t pages = 0) {
    const CachePool sizes(*device_, config(), GetParam());
    return std::make_shared<CachePool>(*device_, config(), GetParam(), pages * sizes.page_bytes());
  }
  std::unique_ptr<kernels::Device> device_ = jang::test::open_test_device().value();
};
INSTANTIATE_TEST_SUITE_P(Sequence, SequenceTypes,
                         ::testing::Values(kernels::KvType::f32, kernels::KvType::f16, kernels::KvType::bf16, kernels::KvType::q8));

TEST_P(SequenceTypes, layers_of_a_page_lie_one_behind_another) {
  const auto p = pool();
  const std::int64_t row = kernels::kv_row_bytes(GetParam(), 8);
  const auto kv = [&](int l) { return p->layer(l).kv; };
  EXPECT_EQ(kv(0).bytes(), 0) << "a recurrent layer has no part of a page";
  EXPECT_EQ(kv(1).offset, 0);
  EXPECT_EQ(kv(1).bytes(), 2 * 3 * 64 * row);
  EXPECT_EQ(kv(2).offset, kv(1).bytes());
  EXPECT_EQ(kv(4).offset, 2 * kv(1).bytes());
  EXPECT_EQ(kv(4).bytes(), 2 * 64 * (kernels::kv_row_bytes(GetParam(), 48) + kernels::kv_row_bytes(GetParam(), 32)));
  EXPECT_GE(p->page_bytes(), 2 * kv(1).bytes() + kv(4).bytes());
}

TEST_P(SequenceTypes, pages_follow_the_positions) {
  const auto p = pool();
  {
    Sequence s(p);
    for (std::int64_t n = 0; n < 500; ++n) {
      ASSERT_TRUE(s.reserve(1).ok());
      EXPECT_EQ(s.pages().size(), static_cast<std::size_t>(n / 64 + 1));
      s.advance(1);
    }
    EXPECT_EQ(s.bytes(), 8 * p->page_bytes());
    ASSERT_TRUE(s.truncate(65));
    EXPECT_EQ(p->pages_in_use(), 2);
    ASSERT_TRUE(s.truncate(0));
    EXPECT_EQ(p->pages_in_use(), 0);
    ASSERT_TRUE(s.reserve(10).ok());
    Sequence moved = std::move(s);
    EXPECT_EQ(p->pages_in_use(), 1);
  }
  EXPECT_EQ(p->pages_in_use(), 0) << "the end of a sequence gives its pages back";
}

TEST_P(SequenceTypes, clones_share_pages_until_one_writes) {
  const auto p = pool();
  Sequence s(p);
  ASSERT_TRUE(s.reserve(100).ok());
  s.advance(100);
  std::vector<std::byte> mark(static_cast<std::size_t>(p->page_bytes()), std::byte{77}), found(mark.size());
  const auto page = [&](std::int32_t i) {
    const auto slab = static_cast<std::size_t>(i / p->store().pages_per_slab);
    return kernels::Tensor{p->store().slabs[slab], i % p->store().pages_per_slab * p->page_bytes(), DType::u8, 1, p->page_bytes(),
                           p->page_bytes()};
  };
  ASSERT_TRUE(device_->write(mark.data(), page(s.pages()[1])).ok());
  Sequence copy = s.clone();
  EXPECT_EQ(copy.length(), 100);
  EXPECT_EQ(p->pages_in_use(), 2);
  ASSERT_TRUE(copy.reserve(1).ok());
  EXPECT_EQ(copy.pages()[0], s.pages()[0]) << "a full page stays shared";
  EXPECT_NE(copy.pages()[1], s.pages()[1]) << "the page that is written is the writer's own";
  ASSERT_TRUE(device_->read(page(copy.pages()[1]), found.data()).ok());
  EXPECT_EQ(found, mark) << "with what was in it";
  const std::int32_t own = s.pages()[1];
  ASSERT_TRUE(s.reserve(1).ok());
  EXPECT_EQ(s.pages()[1], own) << "nobody else holds it any more";
  EXPECT_EQ(p->pages_in_use(), 3);
}

TEST_P(SequenceTypes, a_full_pool_changes_nothing) {
  const auto p = pool(2);
  Sequence s(p);
  ASSERT_TRUE(s.reserve(70).ok());
  s.advance(70);
  EXPECT_EQ(s.reserve(59).code(), StatusCode::out_of_memory);
  EXPECT_EQ(s.pages().size(), 2u);
  Sequence copy = s.clone();
  EXPECT_EQ(copy.reserve(1).code(), StatusCode::out_of_memory) << "no page for a copy of its own";
  EXPECT_EQ(p->pages_in_use(), 2);
  ASSERT_TRUE(s.truncate(64));
  EXPECT_TRUE(copy.reserve(1).ok()) << "alone with its last page now";
}

TEST(Sequence, recurrent_states_start_at_zero_and_are_copied) {
  const auto device = jang::test::open_test_device().value();
  const auto pool = std::make_shared<CachePool>(*device, config(), kernels::KvType::f32);
  Sequence s(pool);
  RecurrentState* state = s.recurrent(0);
  ASSERT_NE(state, nullptr);
  ASSERT_EQ(state->arrays.size(), 2u) << "of the convolution and of the rule";
  EXPECT_EQ(state->arrays[0].bytes(), 4 * 3 * (2 * 16 + 64));
  EXPECT_EQ(state->arrays[1].bytes(), 4 * 4 * 8 * 16);
  ASSERT_NE(s.recurrent(3), nullptr);
  EXPECT_EQ(s.recurrent(3)->arrays[0].bytes(), 4 * 2 * (2 * 4 + 16)) << "another layer, other widths";
  EXPECT_EQ(s.recurrent(3)->arrays[1].bytes(), 4 * 2 * 4 * 8);
  const kernels::Tensor all = state->arrays[1].matrix(1, 4 * 8 * 16), one = all.column_range(5, 1);
  std::vector<float> values(4 * 8 * 16, 1.0f);
  ASSERT_TRUE(device->read(all, values.data()).ok());
  EXPECT_EQ(values, std::vector<float>(values.size(), 0.0f));
  const float three = 3, four = 4;
  ASSERT_TRUE(device->write(&three, one).ok());
  state->position = 2;
  s.advance(2);
  Sequence copy = s.clone();
  ASSERT_TRUE(device->write(&four, one).ok());
  float found = 0;
  ASSERT_TRUE(device->read(copy.recurrent(0)->arrays[1].matrix(1, 4 * 8 * 16).column_range(5, 1), &found).ok());
  EXPECT_EQ(found, 3.0f);
  EXPECT_FALSE(copy.truncate(1));
  EXPECT_TRUE(copy.truncate(2));
  EXPECT_TRUE(copy.truncate(0));
  EXPECT_EQ(copy.bytes(), 0);
}

}  // namespace
}  // namespace jang::model
