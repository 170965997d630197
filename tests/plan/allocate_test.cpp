// SPDX-License-Identifier: Apache-2.0
// The knapsack against brute force on small instances and against the textbook dynamic program on medium ones.
#include "plan/allocate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace jang::plan {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double brute_force(const std::vector<Item>& items, std::size_t j, std::uint64_t left) {
  if (j == items.size()) return 0;
  double best = kInfinity;
  for (const Option& o : items[j].options)
    if (o.bytes <= left) best = std::min(best, o.cost + brute_force(items, j + 1, left - o.bytes));
  return best;
}

// Least cost per capacity, all capacities at once. O(items * options * capacity).
double table_program(const std::vector<Item>& items, std::uint64_t capacity) {
  std::vector<double> best(capacity + 1, 0.0);
  for (const Item& item : items) {
    std::vector<double> next(capacity + 1, kInfinity);
    for (const Option& o : item.options)
      for (std::uint64_t c = o.bytes; c <= capacity; ++c) next[c] = std::min(next[c], best[c - o.bytes] + o.cost);
    best.swap(next);
  }
  return best[capacity];
}

void expect_consistent(const std::vector<Item>& items, const Allocation& a, std::uint64_t capacity) {
  ASSERT_EQ(a.choice.size(), items.size());
  std::uint64_t bytes = 0;
  double cost = 0;
  for (std::size_t j = 0; j < items.size(); ++j) {
    const Option& o = items[j].options.at(static_cast<std::size_t>(a.choice[j]));
    bytes += o.bytes;
    cost += o.cost;
  }
  EXPECT_EQ(bytes, a.bytes);
  EXPECT_LE(bytes, capacity);
  EXPECT_DOUBLE_EQ(cost, a.cost);
  // Nothing cheaper fits into what is left.
  for (std::size_t j = 0; j < items.size(); ++j) {
    const Option& mine = items[j].options[static_cast<std::size_t>(a.choice[j])];
    for (const Option& o : items[j].options) EXPECT_FALSE(o.cost < mine.cost && bytes - mine.bytes + o.bytes <= capacity);
  }
}

// Kinds of instances: costs random; falling with bytes; equal slopes everywhere, so that the relaxation says nothing.
std::vector<Item> random_items(std::mt19937_64& gen, int n, int n_options, std::uint64_t max_bytes, int kind) {
  const auto uniform = [&](std::uint64_t m) { return gen() % m; };
  std::vector<Item> items;
  for (int j = 0; j < n; ++j) {
    Item item;
    const std::uint64_t size = 1 + uniform(max_bytes);
    for (int k = 0; k < n_options; ++k) {
      if (kind == 0) item.options.push_back({uniform(max_bytes), static_cast<double>(uniform(50))});
      if (kind == 1)
        item.options.push_back({size * static_cast<std::uint64_t>(k + 1), static_cast<double>(size) * std::pow(0.3, k) * (1 + 0.01 * j)});
      if (kind == 2) item.options.push_back({size * static_cast<std::uint64_t>(k), static_cast<double>(size) * (n_options - k)});
    }
    items.push_back(std::move(item));
  }
  return items;
}

std::pair<std::uint64_t, std::uint64_t> span_of(const std::vector<Item>& items) {
  std::uint64_t least = 0, most = 0;
  for (const Item& item : items) {
    const auto [a, b] = std::ranges::minmax_element(item.options, {}, &Option::bytes);
    least += a->bytes;
    most += b->bytes;
  }
  return {least, most};
}

TEST(Allocate, equals_brute_force_on_small_instances) {
  std::mt19937_64 gen(1);
  for (int round = 0; round < 900; ++round) {
    const auto items = random_items(gen, 1 + static_cast<int>(gen() % 6), 1 + static_cast<int>(gen() % 5), 40, round % 3);
    const auto [least, most] = span_of(items);
    const std::uint64_t capacity = least + gen() % (most - least + 2);
    const auto found = allocate(items, capacity);
    ASSERT_TRUE(found.has_value());
    expect_consistent(items, *found, capacity);
    EXPECT_TRUE(found->exact);
    const double least_cost = brute_force(items, 0, capacity);
    EXPECT_NEAR(found->cost, least_cost, 2e-9 * (1 + least_cost)) << "round " << round;
  }
}

TEST(Allocate, equals_the_table_program_on_medium_instances) {
  std::mt19937_64 gen(2);
  for (int round = 0; round < 60; ++round) {
    const auto items = random_items(gen, 40, 8, 60, round % 3);
    const auto [least, most] = span_of(items);
    const std::uint64_t capacity = least + gen() % (most - least + 1);
    const auto found = allocate(items, capacity);
    ASSERT_TRUE(found.has_value());
    expect_consistent(items, *found, capacity);
    EXPECT_TRUE(found->exact);
    const double least_cost = table_program(items, capacity);
    EXPECT_NEAR(found->cost, least_cost, 2e-9 * (1 + least_cost)) << "round " << round;
  }
}

TEST(Allocate, refuses_less_than_the_smallest_options) {
  const std::vector<Item> items = {{{{10, 1.0}, {20, 0.5}}}, {{{5, 1.0}}}};
  EXPECT_FALSE(allocate(items, 14).has_value());
  ASSERT_TRUE(allocate(items, 15).has_value());
  EXPECT_EQ(allocate(items, 15)->choice, (std::vector<int>{0, 0}));
  EXPECT_EQ(allocate(items, 25)->choice, (std::vector<int>{1, 0}));
}

TEST(Allocate, takes_the_cheapest_of_everything_when_all_fits) {
  std::mt19937_64 gen(3);
  const auto items = random_items(gen, 50, 6, 1000, 0);
  const auto found = allocate(items, ~std::uint64_t{0});
  ASSERT_TRUE(found.has_value());
  double cheapest = 0;
  for (const Item& item : items) cheapest += std::ranges::min_element(item.options, {}, &Option::cost)->cost;
  EXPECT_DOUBLE_EQ(found->cost, cheapest);
}

TEST(Allocate, empty_problem_is_solved) {
  const auto found = allocate({}, 0);
  ASSERT_TRUE(found.has_value());
  EXPECT_TRUE(found->choice.empty());
}

TEST(Allocate, stays_feasible_and_close_when_the_limits_bite) {
  std::mt19937_64 gen(4);
  for (int round = 0; round < 20; ++round) {
    const auto items = random_items(gen, 200, 6, 1'000'000'007, 2);
    const auto [least, most] = span_of(items);
    const std::uint64_t capacity = least + (most - least) / 100 * (5 + 4 * static_cast<std::uint64_t>(round));
    const auto found = allocate(items, capacity, {.max_states = 64, .max_nodes = 1000});
    ASSERT_TRUE(found.has_value());
    expect_consistent(items, *found, capacity);
    // All slopes are 1, so what is left unused is what it costs: a few percent of one step, which is 5e8 bytes on average.
    EXPECT_LT(capacity - found->bytes, 25'000'000u);
  }
}

TEST(Allocate, seven_hundred_items_of_a_large_model_are_exact) {
  constexpr double kErrors[] = {1.02e-1, 2.69e-2, 6.56e-3, 1.57e-3, 3.87e-4, 2.57e-5};
  constexpr std::uint64_t kWidths[] = {2, 3, 4, 5, 6, 8};
  constexpr std::pair<double, std::uint64_t> kRoles[] = {{1.3, 1u << 24}, {3, 1u << 22},  {16, 1u << 22}, {4, 1u << 24},
                                                         {.4, 58720256},  {.4, 58720256}, {.55, 58720256}};
  std::mt19937_64 gen(5);
  std::vector<Item> items;
  for (int layer = 0; layer < 100; ++layer) {
    for (const auto& [factor, params] : kRoles) {
      Item item;
      const double noise = 1 + static_cast<double>(gen() % 1000) / 2000;
      for (std::size_t k = 0; k < std::size(kErrors); ++k)
        for (const std::uint64_t group : {32, 64})
          item.options.push_back({params / 8 * kWidths[k] + params / group * 4,
                                  static_cast<double>(params) * factor * kErrors[k] * noise * (group == 32 ? 0.726 : 1)});
      items.push_back(std::move(item));
    }
  }
  const auto [least, most] = span_of(items);
  for (const double fraction : {0.03, 0.2, 0.5, 0.8}) {
    const std::uint64_t capacity = least + static_cast<std::uint64_t>(fraction * static_cast<double>(most - least));
    const auto found = allocate(items, capacity);
    ASSERT_TRUE(found.has_value());
    expect_consistent(items, *found, capacity);
    EXPECT_TRUE(found->exact);
    EXPECT_GT(static_cast<double>(found->bytes), 0.999 * static_cast<double>(capacity));
  }
}

}  // namespace
}  // namespace jang::plan
