// SPDX-License-Identifier: Apache-2.0
// Softmax attention with grouped queries:
//
//   q, k, v = W x;  q, k normalised per head (qk_norm), rotated by position;  k, v stored;  out = W_o (attention(q) [* sigmoid(gate)])
//
// With gated_attention q_proj gives, per head, head_dim query values followed by head_dim gate values.
#include <algorithm>

#include "model/graph.h"

namespace jang::model {
namespace {

constexpr std::int64_t kQueryBlock = 64;  // queries a task takes

// Query, key and value rows of one token: norms, rotation, cache.
struct TokenWriter {
  Forward& f;
  const Attention& block;
  int layer;
  const RopeTable& table;
  const arch::Rope& rope;

  void norm_and_rotate(float* head, const float* norm, std::int64_t token) const {
    const arch::DecoderConfig& c = f.config;
    const std::int64_t half = rope.dims / 2;
    if (norm != nullptr) f.ops.rms_norm(head, norm, c.head_dim, c.norm_eps, c.norm_offset, head);
    f.ops.rope(head, table.cos.get() + token * half, table.sin.get() + token * half, half);
  }

  void split_gates(std::int64_t token) const {
    const arch::DecoderConfig& c = f.config;
    const std::int64_t size = c.n_heads * c.head_dim;
    const float* raw = f.scratch.q_raw.get() + token * 2 * size;
    for (std::int64_t h = 0; h < c.n_heads; ++h) {
      std::copy_n(raw + 2 * h * c.head_dim, c.head_dim, f.scratch.q.get() + token * size + h * c.head_dim);
      std::copy_n(raw + (2 * h + 1) * c.head_dim, c.head_dim, f.scratch.gate.get() + token * size + h * c.head_dim);
    }
  }

  void write(Sequence::State& state, std::int64_t position, std::int64_t token) const {
    const arch::DecoderConfig& c = f.config;
    if (c.gated_attention) split_gates(token);
    for (std::int64_t h = 0; h < c.n_heads; ++h)
      norm_and_rotate(f.scratch.q.get() + (token * c.n_heads + h) * c.head_dim, block.q_norm, token);
    for (std::int64_t h = 0; h < c.n_kv_heads; ++h) {
      float* k = f.scratch.k.get() + (token * c.n_kv_heads + h) * c.head_dim;
      norm_and_rotate(k, block.k_norm, token);
      f.ops.kv_store(state.kv_type, k, c.head_dim, state.key_row(layer, h, position));
      const float* v = f.scratch.v.get() + (token * c.n_kv_heads + h) * c.head_dim;
      f.ops.kv_store(state.kv_type, v, c.head_dim, state.value_row(layer, h, position));
    }
  }
};

// One task of attention: some query heads of one key-value head, some consecutive queries of one item.
struct AttentionTask {
  Sequence::State* state;
  std::int64_t first_token, n_queries, first_position;
  std::int64_t kv_head, first_head, n_heads;
};

void attend(Forward& f, int layer, std::int64_t window, const AttentionTask& t) {
  const arch::DecoderConfig& c = f.config;
  const std::int64_t stride = c.n_heads * c.head_dim, at = t.first_token * stride + t.first_head * c.head_dim;
  kernels::AttentionArgs a;
  a.q = f.scratch.q.get() + at;
  a.q_stride = a.out_stride = stride;
  a.n_queries = t.n_queries;
  a.first_position = t.first_position;
  a.n_heads = t.n_heads;
  a.head_dim = c.head_dim;
  a.kv_type = t.state->kv_type;
  a.k = t.state->key_row(layer, t.kv_head, 0);
  a.v = t.state->value_row(layer, t.kv_head, 0);
  a.window = window;
  a.scale = c.attention_scale;
  a.softcap = c.attention_softcap;
  a.out = f.scratch.attended.get() + at;
  f.ops.attention(a);
}

// Rough time of a task on one thread.
std::int64_t task_ns(const arch::DecoderConfig& c, std::int64_t window, const AttentionTask& t) {
  std::int64_t visible = t.first_position + t.n_queries;
  if (window > 0) visible = std::min(visible, window + t.n_queries);
  return t.n_queries * visible * t.n_heads * c.head_dim / 4;
}

void list_tasks(const Forward& f, std::int64_t window, std::vector<AttentionTask>* tasks) {
  const arch::DecoderConfig& c = f.config;
  const std::int64_t group = c.n_heads / c.n_kv_heads;
  std::int64_t blocks = 0, token = 0;
  for (const BatchItem& item : f.batch) blocks += ceil_div(item.n_tokens, kQueryBlock);
  // Few tasks, long texts: the heads of a group are shared out too, each part reading the keys again.
  std::int64_t part = group;
  while (part > 1 && part % 2 == 0 && blocks * c.n_kv_heads * (group / part) < f.parallel.threads()) part /= 2;
  for (const BatchItem& item : f.batch) {
    const std::int64_t start = item.sequence->length();
    for (std::int64_t kv = 0; kv < c.n_kv_heads; ++kv)
      for (std::int64_t h = 0; h < group; h += part)
        for (std::int64_t i = 0; i < item.n_tokens; i += kQueryBlock)
          tasks->push_back(
              {&item.sequence->state(), token + i, std::min(kQueryBlock, item.n_tokens - i), start + i, kv, kv * group + h, part});
    token += item.n_tokens;
  }
  // Longest first: blocks late in a text see more keys.
  std::stable_sort(tasks->begin(), tasks->end(),
                   [&](const AttentionTask& a, const AttentionTask& b) { return task_ns(c, window, a) > task_ns(c, window, b); });
}

void attend_all(Forward& f, int layer) {
  const arch::DecoderConfig& c = f.config;
  const std::int64_t window = c.layers[static_cast<std::size_t>(layer)] == arch::LayerKind::sliding_attention ? c.window : 0;
  std::vector<AttentionTask> tasks;
  list_tasks(f, window, &tasks);
  std::int64_t total = 0;
  for (const AttentionTask& t : tasks) total += task_ns(c, window, t);
  if (f.parallel.threads() == 1 || total < 8000) {
    for (const AttentionTask& t : tasks) attend(f, layer, window, t);
    return;
  }
  f.parallel.each(static_cast<std::int64_t>(tasks.size()),
                  [&](std::int64_t i) { attend(f, layer, window, tasks[static_cast<std::size_t>(i)]); });
}

}  // namespace

bool reserve_attention(Forward& f) {
  const arch::DecoderConfig& c = f.config;
  const std::int64_t q = f.n * c.n_heads * c.head_dim, kv = f.n * c.n_kv_heads * c.head_dim;
  Scratch& s = f.scratch;
  if (c.gated_attention && (!s.q_raw.reserve(2 * q) || !s.gate.reserve(q))) return false;
  return s.q.reserve(q) && s.k.reserve(kv) && s.v.reserve(kv) && s.attended.reserve(q);
}

void run_attention(Forward& f, const Attention& block, int layer) {
  const arch::DecoderConfig& c = f.config;
  Scratch& s = f.scratch;
  const std::int64_t q_size = c.n_heads * c.head_dim, kv_size = c.n_kv_heads * c.head_dim;
  f.see({&block.q, &block.k, &block.v}, -1, s.normed.get(), f.n);
  const LinearCall calls[] = {{&block.q, c.gated_attention ? s.q_raw.get() : s.q.get(), block.q.n_rows},
                              {&block.k, s.k.get(), kv_size},
                              {&block.v, s.v.get(), kv_size}};
  apply(calls, s.normed.get(), f.n, f.parallel, &s.inputs);

  const bool sliding = c.layers[static_cast<std::size_t>(layer)] == arch::LayerKind::sliding_attention;
  const TokenWriter writer{f, block, layer, sliding ? s.local_rope : s.rope, sliding ? c.local_rope : c.rope};
  std::int64_t first = 0;
  for (const BatchItem& item : f.batch) {
    Sequence::State& state = item.sequence->state();
    const std::int64_t start = item.sequence->length();
    f.parallel.run(item.n_tokens, 2 * (q_size + kv_size), [&](std::int64_t i) { writer.write(state, start + i, first + i); });
    first += item.n_tokens;
  }
  attend_all(f, layer);
  if (c.gated_attention)
    f.parallel.run(f.n, 2 * q_size,
                   [&](std::int64_t i) { f.ops.sigmoid_mul(s.attended.get() + i * q_size, s.gate.get() + i * q_size, q_size); });
  f.see({&block.o}, -1, s.attended.get(), f.n);
  const LinearCall out[] = {{&block.o, s.branch.get(), c.hidden}};
  apply(out, s.attended.get(), f.n, f.parallel, &s.inputs);
}

}  // namespace jang::model
