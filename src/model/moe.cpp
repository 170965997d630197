// SPDX-License-Identifier: Apache-2.0
// Mixture of experts (softmax over all experts, then the top k):
//
//   p = softmax(W_router x);  chosen = the k largest, the lower index first when equal;  w = p[chosen] (divided by their sum: norm_topk)
//   out = sum_i w_i expert_i(x)  +  sigmoid(w_s . x) shared(x)
//
// Tokens are grouped by expert: a slot is one (token, choice) pair, slots are ordered by expert, then token; each expert sees its slots as
// one matrix. Gate and up share the prepared rows.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "model/graph.h"

namespace jang::model {
namespace {

struct Routing {
  std::int64_t n = 0, top_k = 0;
  std::vector<std::int32_t> expert;      // [n, top_k]
  std::vector<float> weight;             // [n, top_k]
  std::vector<std::int64_t> slot;        // [n, top_k]: row of the pair in the slot matrices
  std::vector<std::int64_t> slot_token;  // [slots]
  std::vector<std::int64_t> begin;       // [n_experts + 1]: slots of an expert
};

// The top_k of one token's probabilities, largest first.
void choose(const float* p, std::int64_t n_experts, std::int64_t top_k, bool normalise, std::int32_t* expert, float* weight) {
  thread_local std::vector<std::int32_t> order;
  order.resize(static_cast<std::size_t>(n_experts));
  std::iota(order.begin(), order.end(), 0);
  // NaN compares like the smallest number: a strict order whatever the weights were.
  const auto value = [&](std::int32_t e) { return p[e] == p[e] ? p[e] : -1.0f; };
  std::partial_sort(order.begin(), order.begin() + top_k, order.end(),
                    [&](std::int32_t a, std::int32_t b) { return value(a) != value(b) ? value(a) > value(b) : a < b; });
  float sum = 0;
  for (std::int64_t k = 0; k < top_k; ++k) {
    expert[k] = order[static_cast<std::size_t>(k)];
    weight[k] = p[expert[k]];
    sum += weight[k];
  }
  for (std::int64_t k = 0; k < top_k && normalise; ++k) weight[k] /= sum;
}

void group_by_expert(std::int64_t n_experts, Routing* r) {
  r->begin.assign(static_cast<std::size_t>(n_experts + 1), 0);
  for (const std::int32_t e : r->expert) ++r->begin[static_cast<std::size_t>(e) + 1];
  std::partial_sum(r->begin.begin(), r->begin.end(), r->begin.begin());
  std::vector<std::int64_t> next(r->begin.begin(), r->begin.end() - 1);
  r->slot.resize(r->expert.size());
  r->slot_token.resize(r->expert.size());
  for (std::size_t i = 0; i < r->expert.size(); ++i) {
    const std::int64_t slot = next[static_cast<std::size_t>(r->expert[i])]++;
    r->slot[i] = slot;
    r->slot_token[static_cast<std::size_t>(slot)] = static_cast<std::int64_t>(i) / r->top_k;
  }
}

// Routes n tokens from their router logits in scratch.router.
void route(Forward& f, std::int64_t n, Routing* r) {
  const arch::MoeConfig& moe = f.config.moe;
  r->n = n;
  r->top_k = moe.top_k;
  r->expert.resize(static_cast<std::size_t>(n * moe.top_k));
  r->weight.resize(r->expert.size());
  float* logits = f.scratch.router.get();
  f.parallel.run(n, 6 * moe.n_experts, [&](std::int64_t t) {
    f.ops.softmax(logits + t * moe.n_experts, moe.n_experts);
    choose(logits + t * moe.n_experts, moe.n_experts, moe.top_k, moe.norm_topk, r->expert.data() + t * moe.top_k,
           r->weight.data() + t * moe.top_k);
  });
  group_by_expert(moe.n_experts, r);
}

// Prepares the tokens' rows for a map and lays them out by slot. Result: the rows of slot 0 and on; a single token serves all its slots
// from one row (distance 0).
struct SlotInputs {
  const std::byte* data = nullptr;
  std::int64_t distance = 0;
};

SlotInputs prepare_slots(Forward& f, const Linear& map, const Routing& r, const float* x) {
  const std::int64_t bytes = map.input_bytes();
  std::byte* rows = f.scratch.rows.get();
  std::byte* slots = f.scratch.slot_rows.get();
  prepare(map, x, r.n, f.parallel, rows);
  if (r.n == 1) return {rows, 0};
  f.parallel.run(static_cast<std::int64_t>(r.slot_token.size()), bytes / 8, [&](std::int64_t slot) {
    std::memcpy(slots + slot * bytes, rows + r.slot_token[static_cast<std::size_t>(slot)] * bytes, static_cast<std::size_t>(bytes));
  });
  return {slots, bytes};
}

// One task per expert that has slots.
void add_tasks(const Routing& r, const Linear& map, const SlotInputs& inputs, float* y, std::vector<RowTask>* tasks) {
  for (std::size_t e = 0; e + 1 < r.begin.size(); ++e) {
    const std::int64_t begin = r.begin[e], n = r.begin[e + 1] - begin;
    if (n > 0) tasks->push_back({&map, &map.views[e], inputs.data + begin * inputs.distance, n, y + begin * map.n_rows, map.n_rows});
  }
}

void probe_experts(Forward& f, const Moe& block, const Routing& r, const float* x) {
  const std::int64_t hidden = f.config.hidden;
  for (std::size_t e = 0; e + 1 < r.begin.size(); ++e) {
    const std::int64_t begin = r.begin[e], n = r.begin[e + 1] - begin;
    for (std::int64_t i = 0; i < n; ++i)
      std::copy_n(x + r.slot_token[static_cast<std::size_t>(begin + i)] * hidden, hidden, f.scratch.gathered.get() + i * hidden);
    if (n > 0) f.see({&block.gate, &block.up}, static_cast<int>(e), f.scratch.gathered.get(), n);
  }
}

// act(gate x) * (up x) of every slot into slot_gate.
void run_gate_up(Forward& f, const Moe& block, const Routing& r, const float* x) {
  Scratch& s = f.scratch;
  const auto n_slots = static_cast<std::int64_t>(r.slot_token.size());
  const std::int64_t ffn = block.gate.n_rows;
  std::vector<RowTask> tasks;
  SlotInputs inputs = prepare_slots(f, block.gate, r, x);
  add_tasks(r, block.gate, inputs, s.slot_gate.get(), &tasks);
  if (block.gate.kernel != block.up.kernel || !(block.gate.format() == block.up.format())) {
    run_rows(tasks, f.parallel);
    tasks.clear();
    inputs = prepare_slots(f, block.up, r, x);
  }
  add_tasks(r, block.up, inputs, s.slot_up.get(), &tasks);
  run_rows(tasks, f.parallel);
  f.parallel.run(n_slots, ffn, [&](std::int64_t i) {
    activate(f, s.slot_gate.get() + i * ffn, s.slot_up.get() + i * ffn, ffn, s.slot_gate.get() + i * ffn);
  });
}

// down(slot_gate) of every slot into slot_out.
void run_down(Forward& f, const Moe& block, const Routing& r) {
  Scratch& s = f.scratch;
  const std::int64_t bytes = block.down.input_bytes(), ffn = block.down.n_cols;
  for (std::size_t e = 0; e + 1 < r.begin.size() && f.probe != nullptr; ++e)
    if (r.begin[e + 1] > r.begin[e])
      f.see({&block.down}, static_cast<int>(e), s.slot_gate.get() + r.begin[e] * ffn, r.begin[e + 1] - r.begin[e]);
  prepare(block.down, s.slot_gate.get(), static_cast<std::int64_t>(r.slot_token.size()), f.parallel, s.slot_rows.get());
  std::vector<RowTask> tasks;
  add_tasks(r, block.down, {s.slot_rows.get(), bytes}, s.slot_out.get(), &tasks);
  run_rows(tasks, f.parallel);
}

// out = sum of the weighed slots of each token, in the order of choice.
void combine(Forward& f, const Routing& r, float* out) {
  const std::int64_t hidden = f.config.hidden;
  f.parallel.run(r.n, hidden * r.top_k / 4, [&](std::int64_t t) {
    float* row = out + t * hidden;
    std::fill_n(row, hidden, 0.0f);
    for (std::int64_t k = 0; k < r.top_k; ++k) {
      const float weight = r.weight[static_cast<std::size_t>(t * r.top_k + k)];
      const float* slot = f.scratch.slot_out.get() + r.slot[static_cast<std::size_t>(t * r.top_k + k)] * hidden;
      for (std::int64_t j = 0; j < hidden; ++j) row[j] += weight * slot[j];
    }
  });
}

// out += sigmoid(gate) * shared(x)
void add_shared(Forward& f, const Moe& block, const float* x, std::int64_t n, float* out) {
  const std::int64_t hidden = f.config.hidden;
  float* shared = f.scratch.slot_out.get();  // free again: the slots are combined
  float* gates = f.scratch.router.get();
  const LinearCall gate[] = {{&block.shared_router, gates, 1}};
  apply(gate, x, n, f.parallel, &f.scratch.inputs);
  run_mlp(f, block.shared, x, n, shared);
  f.parallel.run(n, hidden / 4, [&](std::int64_t t) {
    const float weight = 1.0f / (1.0f + std::exp(-gates[t]));
    for (std::int64_t j = 0; j < hidden; ++j) out[t * hidden + j] += weight * shared[t * hidden + j];
  });
}

}  // namespace

bool reserve_moe(Forward& f, const Moe& block) {
  Scratch& s = f.scratch;
  const arch::MoeConfig& moe = f.config.moe;
  const std::int64_t chunk = std::min(f.n, kMlpTokens), slots = chunk * moe.top_k, hidden = f.config.hidden;
  if (block.shared_router.exists() && !reserve_mlp(f, moe.shared_ffn)) return false;
  if (f.probe != nullptr && !s.gathered.reserve(chunk * hidden)) return false;
  return s.router.reserve(chunk * moe.n_experts) && s.slot_gate.reserve(slots * moe.ffn) && s.slot_up.reserve(slots * moe.ffn) &&
         s.slot_out.reserve(slots * hidden) && s.rows.reserve(chunk * f.input_bytes) && s.slot_rows.reserve(slots * f.input_bytes);
}

void run_moe(Forward& f, const Moe& block, const float* x, std::int64_t n, float* out) {
  const std::int64_t hidden = f.config.hidden;
  Routing routing;
  for (std::int64_t begin = 0; begin < n; begin += kMlpTokens) {
    const std::int64_t chunk = std::min(kMlpTokens, n - begin);
    const float* rows = x + begin * hidden;
    if (block.shared_router.exists())
      f.see({&block.router, &block.shared_router}, -1, rows, chunk);
    else
      f.see({&block.router}, -1, rows, chunk);
    const LinearCall router[] = {{&block.router, f.scratch.router.get(), f.config.moe.n_experts}};
    apply(router, rows, chunk, f.parallel, &f.scratch.inputs);
    route(f, chunk, &routing);
    if (f.probe != nullptr) probe_experts(f, block, routing, rows);
    run_gate_up(f, block, routing, rows);
    run_down(f, block, routing);
    combine(f, routing, out + begin * hidden);
    if (block.shared_router.exists()) add_shared(f, block, rows, chunk, out + begin * hidden);
  }
}

}  // namespace jang::model
