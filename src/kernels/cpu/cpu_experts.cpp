// SPDX-License-Identifier: Apache-2.0
// Mixtures on the CPU: tokens are grouped by expert, and each expert sees its slots as one matrix.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <utility>

#include "kernels/cpu/cpu_device.h"

namespace jang::kernels {
namespace {

// NaN compares like the smallest number: a strict order whatever the weights were.
float comparable(float x) { return x == x ? x : -std::numeric_limits<float>::infinity(); }

// Groups that are not among the best get scores of -infinity.
void close_groups(const RouteRule& rule, std::span<float> scores) {
  const std::size_t n_groups = static_cast<std::size_t>(rule.n_groups), size = scores.size() / n_groups;
  thread_local std::vector<std::pair<float, std::size_t>> groups;  // score and number
  groups.clear();
  for (std::size_t g = 0; g < n_groups; ++g) {
    float first = -std::numeric_limits<float>::infinity(), second = first;
    for (const float s : scores.subspan(g * size, size)) {
      second = std::max(second, std::min(first, s));
      first = std::max(first, s);
    }
    groups.emplace_back(rule.group_best == 2 && size > 1 ? first + second : first, g);
  }
  std::ranges::stable_sort(groups, std::ranges::greater{}, [](const auto& g) { return comparable(g.first); });
  for (std::size_t g = static_cast<std::size_t>(rule.top_groups); g < n_groups; ++g)
    std::ranges::fill(scores.subspan(groups[g].second * size, size), -std::numeric_limits<float>::infinity());
}

// The choices of one token and their weights, best first. p: what the rule makes of its logits.
void choose(const RouteRule& rule, std::span<const float> p, std::int64_t top_k, std::int32_t* expert, float* weight) {
  thread_local std::vector<std::int32_t> order;
  thread_local std::vector<float> scores;
  scores.assign(p.begin(), p.end());
  if (rule.correction.exists())
    for (std::size_t e = 0; e < p.size(); ++e) scores[e] += row_of(rule.correction)[e];
  for (float& s : scores) s = comparable(s);
  if (rule.n_groups > 1) close_groups(rule, scores);
  order.resize(p.size());
  std::iota(order.begin(), order.end(), 0);
  const auto score = [&](std::int32_t e) { return scores[static_cast<std::size_t>(e)]; };
  std::partial_sort(order.begin(), order.begin() + top_k, order.end(),
                    [&](std::int32_t a, std::int32_t b) { return score(a) != score(b) ? score(a) > score(b) : a < b; });
  float sum = 0;
  for (std::int64_t k = 0; k < top_k; ++k) {
    expert[k] = order[static_cast<std::size_t>(k)];
    weight[k] = p[static_cast<std::size_t>(expert[k])];
    sum += weight[k];
  }
  for (std::int64_t k = 0; k < top_k; ++k) weight[k] = (rule.normalized ? weight[k] / sum : weight[k]) * rule.scale;
  if (!rule.expert_scales.exists()) return;
  for (std::int64_t k = 0; k < top_k; ++k) weight[k] *= row_of(rule.expert_scales)[expert[k]];
}

// begin, slots and tokens of a routing from the chosen experts [n * top_k].
void group_by_expert(std::span<const std::int32_t> experts, const Routing& routing) {
  auto* begin = row_of<std::int32_t>(routing.begin);
  auto* slots = row_of<std::int32_t>(routing.slots);
  auto* tokens = row_of<std::int32_t>(routing.tokens);
  const std::int64_t n_experts = routing.begin.rows - 1, top_k = routing.slots.columns;
  std::fill_n(begin, n_experts + 1, 0);
  for (const std::int32_t e : experts) ++begin[e + 1];
  std::partial_sum(begin, begin + n_experts + 1, begin);
  thread_local std::vector<std::int32_t> next;
  next.assign(begin, begin + n_experts);
  for (std::size_t i = 0; i < experts.size(); ++i) {
    const std::int32_t slot = next[static_cast<std::size_t>(experts[i])]++;
    slots[i] = slot;
    tokens[slot] = static_cast<std::int32_t>(static_cast<std::int64_t>(i) / top_k);
  }
}

}  // namespace

void CpuDevice::route(const Route& op) {
  const std::int64_t n = op.logits.rows, n_experts = op.logits.columns, top_k = op.routing.slots.columns;
  experts_.resize(static_cast<std::size_t>(n * top_k));
  parallel_.run(n, 6 * n_experts, [&](std::int64_t t) {
    float* p = row_of(op.logits, t);
    if (op.rule.sigmoid)
      for (std::int64_t e = 0; e < n_experts; ++e) p[e] = 1.0f / (1.0f + std::exp(-p[e]));
    else
      ops_.softmax(p, n_experts);
    choose(op.rule, {p, static_cast<std::size_t>(n_experts)}, top_k, experts_.data() + t * top_k, row_of(op.routing.weights, t));
  });
  group_by_expert(experts_, op.routing);
}

void CpuDevice::expert_linear(const Tensor& x, bool by_slot, const Routing& routing, std::span<const LinearOut> outs) {
  const auto* begin = row_of<const std::int32_t>(routing.begin);
  const auto* tokens = row_of<const std::int32_t>(routing.tokens);
  const std::int64_t n_experts = routing.begin.rows - 1, n_slots = routing.tokens.rows;
  const CpuWeight* prepared = nullptr;  // whose inputs lie at `inputs`, `distance` apart by slot
  const std::byte* inputs = nullptr;
  std::int64_t distance = 0;
  tasks_.clear();
  for (const LinearOut& o : outs) {
    const CpuWeight& weight = cpu_weight(*o.weight);
    if (prepared == nullptr || !prepared->shares_inputs(weight)) {
      run_rows(tasks_, parallel_);
      tasks_.clear();
      const std::int64_t bytes = weight.input_bytes();
      std::byte* rows = room(&inputs_, x.rows * bytes);
      if (rows == nullptr) return;
      prepare(weight, row_of(x), x.stride, x.rows, parallel_, rows);
      prepared = &weight;
      inputs = rows;
      distance = by_slot ? bytes : 0;  // a single token serves all its slots from one row
      if (!by_slot && x.rows > 1) {
        std::byte* by_expert = room(&slot_inputs_, n_slots * bytes);
        if (by_expert == nullptr) return;
        parallel_.run(n_slots, bytes / 8, [&](std::int64_t slot) {
          std::memcpy(by_expert + slot * bytes, rows + tokens[slot] * bytes, static_cast<std::size_t>(bytes));
        });
        inputs = by_expert;
        distance = bytes;
      }
    }
    for (std::int64_t e = 0; e < n_experts; ++e) {
      const std::int64_t first = begin[e], n = begin[e + 1] - first;
      if (n > 0)
        tasks_.push_back(
            {&weight, &weight.matrices[static_cast<std::size_t>(e)], inputs + first * distance, n, row_of(o.y, first), o.y.stride});
    }
  }
  run_rows(tasks_, parallel_);
}

void CpuDevice::combine(const Tensor& x, const Routing& routing, const Tensor& out) {
  const std::int64_t size = out.columns, top_k = routing.slots.columns;
  parallel_.run(out.rows, size * top_k / 4, [&](std::int64_t t) {
    float* row = row_of(out, t);
    std::fill_n(row, size, 0.0f);
    for (std::int64_t k = 0; k < top_k; ++k) {
      const float weight = row_of(routing.weights, t)[k];
      const float* slot = row_of(x, row_of<const std::int32_t>(routing.slots, t)[k]);
      for (std::int64_t j = 0; j < size; ++j) row[j] += weight * slot[j];
    }
  });
}

void CpuDevice::add_gated(const Tensor& x, const Tensor& gate, const Tensor& out) {
  parallel_.run(out.rows, out.columns / 4, [&](std::int64_t t) {
    float* row = row_of(out, t);
    if (!gate.exists()) return ops_.add(row, row_of(x, t), out.columns);
    const float weight = 1.0f / (1.0f + std::exp(-*row_of(gate, t)));
    for (std::int64_t j = 0; j < out.columns; ++j) row[j] += weight * row_of(x, t)[j];
  });
}

}  // namespace jang::kernels
