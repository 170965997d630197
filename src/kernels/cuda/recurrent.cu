// SPDX-License-Identifier: Apache-2.0
// Convolution: a thread per token and channel, then a thread per channel for the state. Delta rule: columns of the state do not see each
// other, so a block takes a few columns of a head and walks through the tokens of a run; four threads share a column.
#include "kernels/cuda/recurrent.h"

#include "kernels/cuda/device_code.cuh"

namespace jang::kernels::cuda {
namespace {

constexpr int kThreads = 256;
constexpr float kL2Eps = 1e-6f;

__global__ void conv_kernel(const float* x, float* out, const float* weight, int channels, int kernel, bool silu, Runs runs) {
  begin_kernel();
  const Run& run = runs.run[blockIdx.z];
  const int c = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (c >= channels) return;
  for (int t = static_cast<int>(blockIdx.y); t < run.n_rows; t += static_cast<int>(gridDim.y)) {
    float sum = 0;
    for (int j = 0; j < kernel; ++j) {
      const int from = t - kernel + 1 + j;
      const float value = from < 0 ? run.state[static_cast<std::int64_t>(from + kernel - 1) * channels + c]
                                   : x[static_cast<std::int64_t>(run.first_row + from) * channels + c];
      sum = fmaf(weight[static_cast<std::int64_t>(c) * kernel + j], value, sum);
    }
    out[static_cast<std::int64_t>(run.first_row + t) * channels + c] = silu ? sum / (1.0f + expf(-sum)) : sum;
  }
}

// The last kernel - 1 of state and tokens, moved towards the start: what is read lies at or behind what is written.
__global__ void conv_state_kernel(const float* x, int channels, int kernel, Runs runs) {
  begin_kernel();
  const Run& run = runs.run[blockIdx.z];
  const int c = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (c >= channels || run.n_rows == 0) return;
  for (int i = 0; i < kernel - 1; ++i) {
    const int from = run.n_rows + i;  // in the sequence of state and tokens
    run.state[static_cast<std::int64_t>(i) * channels + c] =
        from < kernel - 1 ? run.state[static_cast<std::int64_t>(from) * channels + c]
                          : x[static_cast<std::int64_t>(run.first_row + from - kernel + 1) * channels + c];
  }
}

__device__ float softplus(float x) { return x > 20.0f ? x : log1pf(expf(x)); }

// A block per token, a warp per head.
__global__ void prepare_kernel(DeltaShape s, float* qkv, float* ba, const float* a_log, const float* dt_bias, std::int64_t columns) {
  begin_kernel();
  const std::int64_t row = blockIdx.x;
  const int lane = static_cast<int>(threadIdx.x) & 31, warps = static_cast<int>(blockDim.x) >> 5;
  const float root = sqrtf(static_cast<float>(s.key_dim));
  for (int h = static_cast<int>(threadIdx.x) >> 5; h < 2 * s.key_heads; h += warps) {
    float* x = qkv + row * columns + static_cast<std::int64_t>(h) * s.key_dim;
    float sum = 0;
    for (int j = lane; j < s.key_dim; j += 32) sum = fmaf(x[j], x[j], sum);
    float factor = 1.0f / sqrtf(warp_sum(sum) + kL2Eps);
    if (h < s.key_heads) factor /= root;
    for (int j = lane; j < s.key_dim; j += 32) x[j] *= factor;
  }
  float* gates = ba + row * 2 * s.value_heads;
  for (int h = static_cast<int>(threadIdx.x); h < s.value_heads; h += static_cast<int>(blockDim.x)) {
    gates[h] = 1.0f / (1.0f + expf(-gates[h]));
    float& a = gates[s.value_heads + h];
    a = -expf(a_log[h]) * softplus(a + dt_bias[h]);
  }
}

constexpr int kColumns = 32, kParts = 4;  // of a block; threads that share a column

// grid: columns / kColumns, value head, run.
__global__ void __launch_bounds__(kColumns* kParts)
    rule_kernel(DeltaShape s, const float* qkv, const float* ba, float* out, Runs runs, std::int64_t columns) {
  begin_kernel();
  extern __shared__ float memory[];
  float* state = memory;                    // [key_dim][kColumns]
  float* q = state + s.key_dim * kColumns;  // [key_dim]
  float* k = q + s.key_dim;                 // [key_dim]
  const Run& run = runs.run[blockIdx.z];
  const int head = static_cast<int>(blockIdx.y), key_head = head / (s.value_heads / s.key_heads);
  const int part = static_cast<int>(threadIdx.x) % kParts, in_block = static_cast<int>(threadIdx.x) / kParts;
  const int column = static_cast<int>(blockIdx.x) * kColumns + in_block;
  const bool exists = column < s.value_dim;
  const std::int64_t q_size = static_cast<std::int64_t>(s.key_heads) * s.key_dim;
  float* stored = run.state + static_cast<std::int64_t>(head) * s.key_dim * s.value_dim;
  for (int r = part; r < s.key_dim; r += kParts)
    state[r * kColumns + in_block] = exists ? stored[static_cast<std::int64_t>(r) * s.value_dim + column] : 0.0f;
  for (int t = 0; t < run.n_rows; ++t) {
    const std::int64_t row = run.first_row + t;
    const float* token = qkv + row * columns;
    __syncthreads();
    for (int j = static_cast<int>(threadIdx.x); j < s.key_dim; j += kColumns * kParts) {
      q[j] = token[key_head * s.key_dim + j];
      k[j] = token[q_size + key_head * s.key_dim + j];
    }
    __syncthreads();
    const float beta = ba[row * 2 * s.value_heads + head], decay = expf(ba[row * 2 * s.value_heads + s.value_heads + head]);
    const float v = exists ? token[2 * q_size + static_cast<std::int64_t>(head) * s.value_dim + column] : 0.0f;
    float kv = 0;
    for (int r = part; r < s.key_dim; r += kParts) {
      float& entry = state[r * kColumns + in_block];
      entry *= decay;
      kv = fmaf(entry, k[r], kv);
    }
    kv += __shfl_xor_sync(~0u, kv, 1);
    kv += __shfl_xor_sync(~0u, kv, 2);
    const float update = beta * (v - kv);
    float sum = 0;
    for (int r = part; r < s.key_dim; r += kParts) {
      float& entry = state[r * kColumns + in_block];
      entry = fmaf(k[r], update, entry);
      sum = fmaf(entry, q[r], sum);
    }
    sum += __shfl_xor_sync(~0u, sum, 1);
    sum += __shfl_xor_sync(~0u, sum, 2);
    if (exists && part == 0) out[row * s.value_heads * s.value_dim + static_cast<std::int64_t>(head) * s.value_dim + column] = sum;
  }
  for (int r = part; r < s.key_dim; r += kParts)
    if (exists) stored[static_cast<std::int64_t>(r) * s.value_dim + column] = state[r * kColumns + in_block];
}

}  // namespace

void conv(const float* x, float* out, const float* weight, std::int64_t channels, std::int64_t kernel, bool silu, const Runs& runs,
          Stream stream) {
  std::int32_t longest = 0;
  for (int i = 0; i < runs.n; ++i) longest = runs.run[i].n_rows > longest ? runs.run[i].n_rows : longest;
  const unsigned blocks = blocks_of(channels, kThreads), n = static_cast<unsigned>(runs.n);
  launch(conv_kernel, dim3(blocks, static_cast<unsigned>(longest < 4096 ? longest : 4096), n), dim3(kThreads), 0, stream, x, out, weight,
         static_cast<int>(channels), static_cast<int>(kernel), silu, runs);
  if (kernel > 1)
    launch(conv_state_kernel, dim3(blocks, 1, n), dim3(kThreads), 0, stream, x, static_cast<int>(channels), static_cast<int>(kernel), runs);
}

void delta_prepare(const DeltaShape& s, float* qkv, float* ba, const float* a_log, const float* dt_bias, std::int64_t n, Stream stream) {
  launch(prepare_kernel, dim3(static_cast<unsigned>(n)), dim3(kThreads), 0, stream, s, qkv, ba, a_log, dt_bias, s.columns());
}

void delta_rule(const DeltaShape& s, const float* qkv, const float* ba, float* out, const Runs& runs, Stream stream) {
  const std::size_t bytes = 4u * static_cast<std::size_t>(s.key_dim * (kColumns + 2));
  if (bytes > 48u * 1024u) cudaFuncSetAttribute(rule_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes));
  launch(rule_kernel, dim3(blocks_of(s.value_dim, kColumns), static_cast<unsigned>(s.value_heads), static_cast<unsigned>(runs.n)),
         dim3(kColumns * kParts), bytes, stream, s, qkv, ba, out, runs, s.columns());
}

}  // namespace jang::kernels::cuda
