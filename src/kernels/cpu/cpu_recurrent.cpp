// SPDX-License-Identifier: Apache-2.0
// Convolution, gated delta rule and scan on the CPU: tokens in parallel up to the rule, heads in parallel through it.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/cpu_device.h"

namespace jang::kernels {
namespace {

constexpr float kL2Eps = 1e-6f;
constexpr std::int64_t kConvTokens = 64;  // tokens a convolution task takes

// Norms of queries and keys, decay and beta of one token, in place: ba becomes beta, then g.
void prepare_token(const Ops& ops, const Delta& op, float* qkv, float* ba) {
  const float root = std::sqrt(static_cast<float>(op.key_dim));
  for (std::int64_t h = 0; h < 2 * op.key_heads; ++h) {  // x / sqrt(sum + eps) = rms_norm(x, eps / dim) / sqrt(dim)
    float* row = qkv + h * op.key_dim;
    ops.rms_norm(row, nullptr, op.key_dim, kL2Eps / static_cast<float>(op.key_dim), 0, row);
    const float factor = h < op.key_heads ? 1.0f / static_cast<float>(op.key_dim) : 1.0f / root;
    for (std::int64_t j = 0; j < op.key_dim; ++j) row[j] *= factor;
  }
  const float* a_log = row_of(op.a_log);
  const float* dt_bias = row_of(op.dt_bias);
  for (std::int64_t h = 0; h < op.value_heads; ++h) {
    float& a = ba[op.value_heads + h];
    ba[h] = 1.0f / (1.0f + std::exp(-ba[h]));
    a = -std::exp(a_log[h]) * softplus(a + dt_bias[h]);
  }
}

// The rule of one value head over one run.
DeltaArgs arguments(const Delta& op, const SequenceRun& run, const Tensor& state, std::int64_t head) {
  const std::int64_t q_size = op.key_heads * op.key_dim;
  const float* qkv = row_of(op.qkv, run.first_row);
  const float* ba = row_of(op.ba, run.first_row);
  DeltaArgs a;
  a.n = run.n_rows;
  a.key_dim = op.key_dim;
  a.value_dim = op.value_dim;
  a.q = qkv + head / (op.value_heads / op.key_heads) * op.key_dim;
  a.k = a.q + q_size;
  a.v = qkv + 2 * q_size + head * op.value_dim;
  a.qk_stride = a.v_stride = op.qkv.stride;
  a.beta = ba + head;
  a.g = ba + op.value_heads + head;
  a.gate_stride = op.ba.stride;
  a.state = row_of(state, head * op.key_dim);
  a.out = row_of(op.out, run.first_row) + head * op.value_dim;
  a.out_stride = op.out.stride;
  return a;
}

// One token's dt becomes its step, and behind it the logarithm of the decay.
void prepare_steps(const Scan& op, float* steps) {
  const float* a_log = row_of(op.a_log);
  const float* dt_bias = row_of(op.dt_bias);
  for (std::int64_t h = 0; h < op.heads; ++h) {
    steps[h] = std::clamp(softplus(steps[h] + dt_bias[h]), op.least_step, op.most_step);
    steps[op.heads + h] = -std::exp(a_log[h]) * steps[h];
  }
}

// The scan of one head over one run: keys are B, queries C.
DeltaArgs arguments(const Scan& op, const SequenceRun& run, const Tensor& state, std::int64_t head) {
  const float* xbc = row_of(op.xbc, run.first_row);
  const float* steps = row_of(op.steps, run.first_row);
  DeltaArgs a;
  a.corrects = false;
  a.skip = row_of(op.skip)[head];
  a.n = run.n_rows;
  a.key_dim = op.state_dim;
  a.value_dim = op.head_dim;
  a.v = xbc + head * op.head_dim;
  a.k = xbc + op.heads * op.head_dim + head / (op.heads / op.groups) * op.state_dim;
  a.q = a.k + op.groups * op.state_dim;
  a.qk_stride = a.v_stride = op.xbc.stride;
  a.beta = steps + head;
  a.g = steps + op.heads + head;
  a.gate_stride = op.steps.stride;
  a.state = row_of(state, head * op.state_dim);
  a.out = row_of(op.out, run.first_row) + head * op.head_dim;
  a.out_stride = op.out.stride;
  return a;
}

}  // namespace

// Blocks of a run after the first start from the inputs before them instead of the stored state, so they are independent; the last block's
// state becomes the sequence's.
void CpuDevice::conv(const Conv& op, std::span<const SequenceRun> runs) {
  const std::int64_t channels = op.x.columns, kernel = op.weight.columns, kept = kernel - 1, state_size = kept * channels;
  const float* weight = row_of(op.weight);
  const float* bias = op.bias.exists() ? row_of(op.bias) : nullptr;
  for (std::size_t r = 0; r < runs.size(); ++r) {
    const std::int64_t n = runs[r].n_rows;
    const float* in = row_of(op.x, runs[r].first_row);
    float* out = row_of(op.out, runs[r].first_row);
    float* state = row_of(op.states[r]);
    if (n < 2 * kConvTokens) {
      ops_.conv(in, n, channels, weight, bias, kernel, op.silu, state, out);
      continue;
    }
    const std::int64_t blocks = n / kConvTokens;  // the last one takes the rest
    float* states = room(&states_, blocks * state_size);
    if (states == nullptr) return;
    std::copy_n(state, state_size, states);
    for (std::int64_t b = 1; b < blocks; ++b) std::copy_n(in + (b * kConvTokens - kept) * channels, state_size, states + b * state_size);
    parallel_.each(blocks, [&](std::int64_t b) {
      const std::int64_t begin = b * kConvTokens, end = b + 1 == blocks ? n : begin + kConvTokens;
      ops_.conv(in + begin * channels, end - begin, channels, weight, bias, kernel, op.silu, states + b * state_size,
                out + begin * channels);
    });
    std::copy_n(states + (blocks - 1) * state_size, state_size, state);
  }
}

void CpuDevice::delta(const Delta& op, std::span<const SequenceRun> runs) {
  parallel_.run(op.qkv.rows, 2 * op.key_heads * op.key_dim + 40 * op.value_heads,
                [&](std::int64_t i) { prepare_token(ops_, op, row_of(op.qkv, i), row_of(op.ba, i)); });
  for (std::size_t r = 0; r < runs.size(); ++r)
    parallel_.run(op.value_heads, runs[r].n_rows * op.key_dim * op.value_dim / 2,
                  [&](std::int64_t head) { ops_.delta_rule(arguments(op, runs[r], op.states[r], head)); });
}

void CpuDevice::scan(const Scan& op, std::span<const SequenceRun> runs) {
  parallel_.run(op.xbc.rows, 40 * op.heads, [&](std::int64_t i) { prepare_steps(op, row_of(op.steps, i)); });
  for (std::size_t r = 0; r < runs.size(); ++r)
    parallel_.run(op.heads, runs[r].n_rows * op.state_dim * op.head_dim / 2,
                  [&](std::int64_t head) { ops_.delta_rule(arguments(op, runs[r], op.states[r], head)); });
}

}  // namespace jang::kernels
