// SPDX-License-Identifier: Apache-2.0
// Attention: the reference against closed forms, every backend against the reference over cache types, windows, caps, group sizes and
// query counts, and the same bits however queries are split over calls.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "sets.h"

namespace jang::kernels {
namespace {

struct Case {
  std::int64_t n_queries = 1, first_position = 0, n_heads = 1, head_dim = 64, window = 0;
  KvType type = KvType::f32;
  float softcap = 0;
};

struct Problem;

// The cache in pages, keys then values in each, the last page first in memory: only the table knows their order.
struct Pages {
  explicit Pages(const Problem& p);
  std::int64_t half;  // bytes of a page's keys
  std::vector<std::byte> memory;
  std::vector<const std::byte*> addresses;
};

// Random q, k, v; `n_total` positions are stored.
struct Problem {
  Case c;
  std::vector<float> q;
  std::vector<std::byte> k, v;
  std::int64_t stride = 0;

  explicit Problem(const Case& with, unsigned seed = 1) : c(with), stride(with.n_heads * with.head_dim + 3) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0.0f, 1.0f);
    q.resize(static_cast<std::size_t>(c.n_queries * stride));
    for (float& x : q) x = normal(random);
    const std::int64_t n = c.first_position + c.n_queries, bytes = kv_row_bytes(c.type, c.head_dim);
    for (std::vector<std::byte>* cache : {&k, &v}) {
      cache->resize(static_cast<std::size_t>(ceil_div(n, kPagePositions) * kPagePositions * bytes));
      std::vector<float> row(static_cast<std::size_t>(c.head_dim));
      for (std::int64_t j = 0; j < n; ++j) {
        for (float& x : row) x = normal(random);
        find_ops("ref")->kv_store(c.type, row.data(), c.head_dim, cache->data() + j * bytes);
      }
    }
  }

  // Queries [begin, begin + n) of the problem, out [n, n_heads * head_dim].
  [[nodiscard]] std::vector<float> run(const Ops& o, std::int64_t begin, std::int64_t n) const {
    std::vector<float> out(static_cast<std::size_t>(n * c.n_heads * c.head_dim), NAN);
    AttentionArgs a;
    a.q = q.data() + begin * stride;
    a.q_stride = stride;
    a.n_queries = n;
    a.first_position = c.first_position + begin;
    a.n_heads = c.n_heads;
    a.head_dim = c.head_dim;
    a.kv_type = c.type;
    const Pages pages(*this);
    a.pages = pages.addresses.data();
    a.v_offset = pages.half;
    a.window = c.window;
    a.scale = 1.0f / std::sqrt(static_cast<float>(c.head_dim));
    a.softcap = c.softcap;
    a.out = out.data();
    a.out_stride = c.n_heads * c.head_dim;
    o.attention(a);
    return out;
  }
};

Pages::Pages(const Problem& p) : half(kPagePositions * kv_row_bytes(p.c.type, p.c.head_dim)), memory(2 * p.k.size()) {
  const std::int64_t n = static_cast<std::int64_t>(p.k.size()) / half;
  for (std::int64_t i = 0; i < n; ++i) {
    std::byte* page = memory.data() + (n - 1 - i) * 2 * half;
    std::memcpy(page, p.k.data() + i * half, static_cast<std::size_t>(half));
    std::memcpy(page + half, p.v.data() + i * half, static_cast<std::size_t>(half));
    addresses.push_back(page);
  }
}

std::string describe(const Case& c) {
  return "queries " + std::to_string(c.n_queries) + " at " + std::to_string(c.first_position) + " heads " + std::to_string(c.n_heads) +
         " dim " + std::to_string(c.head_dim) + " window " + std::to_string(c.window) + " type " +
         std::to_string(static_cast<int>(c.type)) + " cap " + std::to_string(c.softcap);
}

std::vector<Case> cases() {
  std::vector<Case> list;
  for (const KvType type : {KvType::f32, KvType::f16, KvType::bf16, KvType::q8}) {
    for (std::int64_t heads = 1; heads <= 8; ++heads)
      list.push_back({.n_queries = 3, .first_position = 70, .n_heads = heads, .type = type});
    for (const std::int64_t dim : {4, 8, 20, 32, 80, 96, 128, 256})
      list.push_back({.n_queries = 5, .n_heads = 2, .head_dim = dim, .type = type});
  }
  for (const std::int64_t n : {1, 2, 63, 64, 65, 130})
    for (const std::int64_t first : {0, 1, 63, 64, 200})
      list.push_back({.n_queries = n, .first_position = first, .n_heads = 2, .head_dim = 32});
  for (const std::int64_t window : {1, 2, 63, 64, 65, 100})
    for (const std::int64_t n : {1, 130})
      list.push_back({.n_queries = n, .first_position = 150, .n_heads = 3, .head_dim = 16, .window = window});
  list.push_back({.n_queries = 40, .first_position = 30, .n_heads = 4, .softcap = 2.0f});
  list.push_back({.n_queries = 2, .first_position = 30, .n_heads = 4, .window = 20, .type = KvType::q8, .softcap = 50.0f});
  list.push_back({.n_queries = 2, .first_position = 10, .n_heads = 71, .head_dim = 8});
  return list;
}

TEST(Attention, backends_match_the_reference) {
  for (const Case& c : cases()) {
    const Problem p(c);
    const std::vector<float> expected = p.run(*find_ops("ref"), 0, c.n_queries);
    for (const NamedOps* o : op_tables()) {
      const std::vector<float> out = p.run(*o, 0, c.n_queries);
      // Weights carry the rounding of scores (up to about 4, sums of head_dim products) and of exp; values are about 1: some seventy
      // roundings in all.
      for (std::size_t i = 0; i < out.size(); ++i)
        ASSERT_NEAR(static_cast<double>(out[i]), static_cast<double>(expected[i]), 4e-6) << o->name << " " << describe(c) << " at " << i;
    }
  }
}

TEST(Attention, result_does_not_depend_on_the_split_of_queries) {
  for (const Case& c : cases()) {
    const Problem p(c);
    for (const NamedOps* o : op_tables()) {
      const std::vector<float> whole = p.run(*o, 0, c.n_queries);
      for (const std::int64_t step : {1, 7}) {
        std::vector<float> parts;
        for (std::int64_t i = 0; i < c.n_queries; i += step) {
          const std::vector<float> part = p.run(*o, i, std::min(step, c.n_queries - i));
          parts.insert(parts.end(), part.begin(), part.end());
        }
        ASSERT_EQ(parts, whole) << o->name << " " << describe(c) << " step " << step;
      }
    }
  }
}

TEST(Attention, window_of_one_returns_the_own_value) {
  for (const NamedOps* o : op_tables()) {
    const Case c{.n_queries = 70, .first_position = 5, .n_heads = 2, .head_dim = 16, .window = 1};
    const Problem p(c);
    const std::vector<float> out = p.run(*o, 0, c.n_queries);
    for (std::int64_t i = 0; i < c.n_queries; ++i) {
      for (std::int64_t d = 0; d < 32; ++d) {
        float value = 0;
        std::memcpy(&value, p.v.data() + ((c.first_position + i) * 16 + d % 16) * 4, 4);
        ASSERT_EQ(out[i * 32 + d], value) << o->name;
      }
    }
  }
}

TEST(Attention, equal_keys_give_the_mean_of_visible_values) {
  for (const NamedOps* o : op_tables()) {
    const Case c{.n_queries = 100, .head_dim = 8};
    Problem p(c);
    for (std::int64_t j = 1; j < c.n_queries; ++j) std::memcpy(p.k.data() + j * 32, p.k.data(), 32);
    const std::vector<float> out = p.run(*o, 0, c.n_queries);
    double sum[8] = {};
    for (std::int64_t i = 0; i < c.n_queries; ++i) {
      for (std::int64_t d = 0; d < 8; ++d) {
        float value = 0;
        std::memcpy(&value, p.v.data() + i * 32 + d * 4, 4);
        sum[d] += static_cast<double>(value);
        // Sums of up to a hundred values about 1, whose roundings are random: sums up to 30, thirty roundings of the mean.
        ASSERT_NEAR(static_cast<double>(out[i * 8 + d]), sum[d] / static_cast<double>(i + 1), 2e-6) << o->name << " " << i;
      }
    }
  }
}

TEST(Attention, a_cap_bounds_every_score) {
  // Two positions, scores far apart: without a cap all weight goes to one, with a cap of 1 the weights are e^1 : e^-1.
  for (const NamedOps* o : op_tables()) {
    Problem p({.n_queries = 1, .first_position = 1, .head_dim = 1, .softcap = 1.0f});
    p.q = {1000.0f};
    const float keys[] = {1.0f, -1.0f}, values[] = {1.0f, 0.0f};
    std::memcpy(p.k.data(), keys, 8);
    std::memcpy(p.v.data(), values, 8);
    // A tanh, two exponentials, a sum and a quotient: about sixteen roundings of 2^-24.
    EXPECT_NEAR(static_cast<double>(p.run(*o, 0, 1)[0]), 1.0 / (1.0 + std::exp(-2.0)), 16 * 0x1p-24) << o->name;
    p.c.softcap = 0;
    EXPECT_EQ(p.run(*o, 0, 1)[0], 1.0f) << o->name;
  }
}

}  // namespace
}  // namespace jang::kernels
