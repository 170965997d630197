// SPDX-License-Identifier: Apache-2.0
// Multiple-choice knapsack: one option of every item, least total cost within a capacity. Pure, deterministic.
//
//   minimise   sum_j cost(j, x_j)      subject to   sum_j bytes(j, x_j) <= capacity
//
// Method: dominated options go; the lower convex hull of every item, walked by slope, gives the linear relaxation, its multiplier and a
// base solution; a dynamic program over the deviations from that base, items nearest the multiplier first, keeps the Pareto front of
// (bytes, cost) and drops what the relaxation of the rest proves useless. After D. Pisinger, "A minimal algorithm for the multiple-choice
// knapsack problem" (EJOR 83, 1995).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace jang::plan {

struct Option {
  std::uint64_t bytes = 0;
  double cost = 0;  // finite
};
struct Item {
  std::vector<Option> options;  // at least one, any order
};

struct Allocation {
  std::vector<int> choice;  // per item, index into its options
  std::uint64_t bytes = 0;
  double cost = 0;
  bool exact = true;  // false: the limits were reached; feasible and near the optimum, no proof
};

struct AllocateLimits {
  std::size_t max_states = std::size_t{1} << 13;  // kept per step
  std::size_t max_nodes = std::size_t{1} << 22;   // kept in all; beyond it a step keeps kFewStates
};

// The allocation, or nullopt when even the smallest options exceed `capacity`. No item of the result can take a cheaper option within what
// is left. Exact to 1e-9 of the total cost. Precondition: the sum of the largest options is below 2^62.
[[nodiscard]] std::optional<Allocation> allocate(std::span<const Item> items, std::uint64_t capacity, const AllocateLimits& limits = {});

}  // namespace jang::plan
