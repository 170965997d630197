// SPDX-License-Identifier: Apache-2.0
// Gated DeltaNet block (arXiv 2412.06464), as Qwen3-Next and Qwen3.5 have it:
//
//   [q k v] = silu(causal_conv(W_qkv x));  z = W_z x;  beta = sigmoid(W_b x);  g = -exp(A_log) softplus(W_a x + dt_bias)
//   q = l2(q) / sqrt(key dim), k = l2(k);  o = delta rule(q, k, v, g, beta) per value head;  out = W_out (rms_norm(o) * silu(z))
//
// l2(x) = x / sqrt(sum x^2 + 1e-6). Fused projections hold, per key head: q, k, then v and z of its value heads; and b, a of them.
#include <algorithm>
#include <cmath>

#include "model/graph.h"

namespace jang::model {
namespace {

constexpr float kL2Eps = 1e-6f;
constexpr std::int64_t kConvTokens = 64;  // tokens a convolution task takes

float softplus(float x) { return x > 20.0f ? x : std::log1p(std::exp(x)); }

// Where the pieces of the projections stand: scratch.mixed [n, conv_channels], z [n, v_size], ba [n, 2 value_heads] as all b, then all a.
struct Sizes {
  explicit Sizes(const arch::DeltaConfig& c)
      : q(c.q_size()), v(c.v_size()), channels(c.conv_channels()), heads(c.value_heads), per_key(c.value_heads / c.key_heads) {}
  std::int64_t q, v, channels, heads, per_key;
};

// One token's rows of the fused projections into the separate layout.
void cut_fused(const arch::DeltaConfig& c, const float* qkvz, const float* ba, float* mixed, float* z, float* out_ba) {
  const Sizes size(c);
  const std::int64_t v_part = size.per_key * c.value_dim;
  for (std::int64_t h = 0; h < c.key_heads; ++h) {
    const float* from = qkvz + h * (2 * c.key_dim + 2 * v_part);
    std::copy_n(from, c.key_dim, mixed + h * c.key_dim);
    std::copy_n(from + c.key_dim, c.key_dim, mixed + size.q + h * c.key_dim);
    std::copy_n(from + 2 * c.key_dim, v_part, mixed + 2 * size.q + h * v_part);
    std::copy_n(from + 2 * c.key_dim + v_part, v_part, z + h * v_part);
    std::copy_n(ba + h * 2 * size.per_key, size.per_key, out_ba + h * size.per_key);
    std::copy_n(ba + (2 * h + 1) * size.per_key, size.per_key, out_ba + size.heads + h * size.per_key);
  }
}

void project(Forward& f, const GatedDelta& block) {
  Scratch& s = f.scratch;
  const arch::DeltaConfig& c = f.config.delta;
  const Sizes size(c);
  float* ba = s.ba.get();
  if (!c.interleaved) {
    f.see({&block.qkv, &block.z, &block.b, &block.a}, -1, s.normed.get(), f.n);
    const LinearCall calls[] = {{&block.qkv, s.mixed.get(), size.channels},
                                {&block.z, s.z.get(), size.v},
                                {&block.b, ba, 2 * size.heads},
                                {&block.a, ba + size.heads, 2 * size.heads}};
    return apply(calls, s.normed.get(), f.n, f.parallel, &s.inputs);
  }
  f.see({&block.qkvz, &block.ba}, -1, s.normed.get(), f.n);
  float* fused_ba = ba + f.n * 2 * size.heads;
  const LinearCall calls[] = {{&block.qkvz, s.qkv.get(), block.qkvz.n_rows}, {&block.ba, fused_ba, 2 * size.heads}};
  apply(calls, s.normed.get(), f.n, f.parallel, &s.inputs);
  f.parallel.run(f.n, size.channels / 4, [&](std::int64_t i) {
    cut_fused(c, s.qkv.get() + i * block.qkvz.n_rows, fused_ba + i * 2 * size.heads, s.mixed.get() + i * size.channels,
              s.z.get() + i * size.v, ba + i * 2 * size.heads);
  });
}

// Convolution of one item's tokens, mixed to qkv. Blocks after the first start from the inputs before them instead of the stored state, so
// they are independent; the last block's state becomes the sequence's.
void convolve(Forward& f, const GatedDelta& block, float* state, std::int64_t first, std::int64_t n) {
  const arch::DeltaConfig& c = f.config.delta;
  const std::int64_t channels = c.conv_channels(), kept = c.conv_kernel - 1, state_size = kept * channels;
  const float* in = f.scratch.mixed.get() + first * channels;
  float* out = f.scratch.qkv.get() + first * channels;
  if (n < 2 * kConvTokens) return f.ops.conv_silu(in, n, channels, block.conv, c.conv_kernel, state, out);
  const std::int64_t blocks = n / kConvTokens;  // the last one takes the rest
  float* states = f.scratch.conv_states.get();
  std::copy_n(state, state_size, states);
  for (std::int64_t b = 1; b < blocks; ++b) std::copy_n(in + (b * kConvTokens - kept) * channels, state_size, states + b * state_size);
  f.parallel.each(blocks, [&](std::int64_t b) {
    const std::int64_t begin = b * kConvTokens, end = b + 1 == blocks ? n : begin + kConvTokens;
    f.ops.conv_silu(in + begin * channels, end - begin, channels, block.conv, c.conv_kernel, states + b * state_size,
                    out + begin * channels);
  });
  std::copy_n(states + (blocks - 1) * state_size, state_size, state);
}

// Norms of queries and keys, decay and beta of one token, in place.
void prepare_token(const Forward& f, const GatedDelta& block, float* qkv, float* ba) {
  const arch::DeltaConfig& c = f.config.delta;
  const Sizes size(c);
  const float root = std::sqrt(static_cast<float>(c.key_dim));
  for (std::int64_t h = 0; h < 2 * c.key_heads; ++h) {  // x / sqrt(sum + eps) = rms_norm(x, eps / dim) / sqrt(dim)
    float* row = qkv + h * c.key_dim;
    f.ops.rms_norm(row, nullptr, c.key_dim, kL2Eps / static_cast<float>(c.key_dim), 0, row);
    const float factor = h < c.key_heads ? 1.0f / static_cast<float>(c.key_dim) : 1.0f / root;
    for (std::int64_t j = 0; j < c.key_dim; ++j) row[j] *= factor;
  }
  for (std::int64_t h = 0; h < size.heads; ++h) {
    ba[h] = 1.0f / (1.0f + std::exp(-ba[h]));
    ba[size.heads + h] = -std::exp(block.a_log[h]) * softplus(ba[size.heads + h] + block.dt_bias[h]);
  }
}

// The delta rule of one value head of one item; its output takes the place of the head's values of `mixed`.
void run_head(Forward& f, float* state, std::int64_t first, std::int64_t n, std::int64_t head) {
  const arch::DeltaConfig& c = f.config.delta;
  const Sizes size(c);
  const float* qkv = f.scratch.qkv.get() + first * size.channels;
  const float* ba = f.scratch.ba.get() + first * 2 * size.heads;
  kernels::DeltaArgs a;
  a.n = n;
  a.key_dim = c.key_dim;
  a.value_dim = c.value_dim;
  a.q = qkv + head / size.per_key * c.key_dim;
  a.k = a.q + size.q;
  a.v = qkv + 2 * size.q + head * c.value_dim;
  a.qk_stride = a.v_stride = size.channels;
  a.beta = ba + head;
  a.g = ba + size.heads + head;
  a.gate_stride = 2 * size.heads;
  a.state = state + head * c.key_dim * c.value_dim;
  a.out = f.scratch.attended.get() + first * size.v + head * c.value_dim;
  a.out_stride = size.v;
  f.ops.delta_rule(a);
}

// rms_norm(o) * silu(z) of one token, in place.
void norm_and_gate(const Forward& f, const GatedDelta& block, float* o, const float* z) {
  const arch::DeltaConfig& c = f.config.delta;
  for (std::int64_t h = 0; h < c.value_heads; ++h)
    f.ops.rms_norm(o + h * c.value_dim, block.norm, c.value_dim, f.config.norm_eps, 0, o + h * c.value_dim);
  f.ops.silu_mul(z, o, c.v_size(), o);
}

}  // namespace

bool reserve_delta(Forward& f) {
  const arch::DeltaConfig& c = f.config.delta;
  Scratch& s = f.scratch;
  const std::int64_t fused = c.interleaved ? c.conv_channels() + c.v_size() : c.conv_channels();
  const std::int64_t blocks = f.n / kConvTokens + 1;
  return s.mixed.reserve(f.n * c.conv_channels()) && s.qkv.reserve(f.n * fused) && s.z.reserve(f.n * c.v_size()) &&
         s.ba.reserve(f.n * 4 * c.value_heads) && s.attended.reserve(f.n * c.v_size()) &&
         s.conv_states.reserve(blocks * (c.conv_kernel - 1) * c.conv_channels());
}

void run_delta(Forward& f, const GatedDelta& block, int layer) {
  Scratch& s = f.scratch;
  const arch::DeltaConfig& c = f.config.delta;
  const Sizes size(c);
  project(f, block);
  std::int64_t first = 0;
  for (const BatchItem& item : f.batch) {
    DeltaCache& cache = item.sequence->state().delta[static_cast<std::size_t>(layer)];
    convolve(f, block, cache.conv.get(), first, item.n_tokens);
    f.parallel.run(item.n_tokens, 2 * size.q + 40 * size.heads, [&](std::int64_t i) {
      prepare_token(f, block, s.qkv.get() + (first + i) * size.channels, s.ba.get() + (first + i) * 2 * size.heads);
    });
    f.parallel.run(size.heads, item.n_tokens * c.key_dim * c.value_dim / 2,
                   [&](std::int64_t h) { run_head(f, cache.delta.get(), first, item.n_tokens, h); });
    cache.position += item.n_tokens;
    first += item.n_tokens;
  }
  f.parallel.run(f.n, 2 * size.v, [&](std::int64_t i) { norm_and_gate(f, block, s.attended.get() + i * size.v, s.z.get() + i * size.v); });
  f.see({&block.out}, -1, s.attended.get(), f.n);
  const LinearCall out[] = {{&block.out, s.branch.get(), f.config.hidden}};
  apply(out, s.attended.get(), f.n, f.parallel, &s.inputs);
}

}  // namespace jang::model
