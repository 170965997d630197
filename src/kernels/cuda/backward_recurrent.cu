// SPDX-License-Identifier: Apache-2.0
// Convolution: a thread per token and channel. Delta rule: a block per value head of a text runs forward once and keeps the states at the
// starts of chunks, then walks back through the chunks, whose states it computes once more. Rows of a state are keys, columns values.
#include "kernels/cuda/backward_recurrent.h"

#include "kernels/cuda/device_code.cuh"

namespace jang::kernels::cuda {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / 32;
constexpr float kL2Eps = 1e-6f;

__device__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

// y = silu(s), s[t] = sum_j w[j] x[t - kernel + 1 + j]: ds in the place of dout,
__global__ void conv_sums_kernel(const float* x, const float* weight, float* dout, int channels, int kernel, Runs texts) {
  begin_kernel();
  const Run& text = texts.run[blockIdx.z];
  const int c = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (c >= channels) return;
  for (int t = static_cast<int>(blockIdx.y); t < text.n_rows; t += static_cast<int>(gridDim.y)) {
    float s = 0;
    for (int j = max(0, kernel - 1 - t); j < kernel; ++j)
      s = fmaf(weight[static_cast<std::int64_t>(c) * kernel + j],
               x[static_cast<std::int64_t>(text.first_row + t - kernel + 1 + j) * channels + c], s);
    const float gate = sigmoid(s);
    dout[static_cast<std::int64_t>(text.first_row + t) * channels + c] *= gate * (1.0f + s * (1.0f - gate));
  }
}
// then every x takes from the s that read it.
__global__ void conv_inputs_kernel(const float* weight, const float* ds, float* dx, int channels, int kernel, Runs texts) {
  begin_kernel();
  const Run& text = texts.run[blockIdx.z];
  const int c = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (c >= channels) return;
  for (int t = static_cast<int>(blockIdx.y); t < text.n_rows; t += static_cast<int>(gridDim.y)) {
    float sum = 0;
    for (int j = max(0, t + kernel - text.n_rows); j < kernel; ++j)
      sum = fmaf(weight[static_cast<std::int64_t>(c) * kernel + j],
                 ds[static_cast<std::int64_t>(text.first_row + t + kernel - 1 - j) * channels + c], sum);
    dx[static_cast<std::int64_t>(text.first_row + t) * channels + c] = sum;
  }
}

constexpr int kDeltaThreads = 512, kDeltaWarps = kDeltaThreads / 32;

// Sizes of the states that a kernel has registers for: rows of a warp, kDeltaWarps apart, and columns of a lane, 32 apart.
template <int kRows, int kColumns>
struct DeltaTile {
  static constexpr int kKeys = kRows * kDeltaWarps, kValues = kColumns * 32, kSize = kKeys * kValues;
};
using SmallTile = DeltaTile<8, 4>;   // 128 x 128, as models have it
using LargeTile = DeltaTile<16, 8>;  // more than registers hold
static_assert(LargeTile::kKeys == kMostDeltaKeys && LargeTile::kValues == kMostDeltaValues);
bool is_small(const DeltaShape& s) { return s.key_dim <= SmallTile::kKeys && s.value_dim <= SmallTile::kValues; }

// What a block has in shared memory; zero behind the dimensions of the head, so that no loop asks where they end.
template <int kKeys, int kValues>
struct DeltaShared {
  float q[kKeys], k[kKeys];
  float dout[kValues], change[kValues], du[kValues];
  float parts[kDeltaWarps][kValues];
  float gates[2][kDeltaWarps];
};

// A thread's share of a token.
struct TokenPart {
  float q, k, v, dout, beta, decay;
};

// v[i] summed over the lanes, for i = lane * kN / 32; always in the same order.
template <int kN>
__device__ __forceinline__ float sum_lanes(float (&v)[kN], int lane) {
  int bit = 16;
#pragma unroll
  for (int n = kN / 2; n > 0; n /= 2, bit /= 2) {
    const bool upper = (lane & bit) != 0;
#pragma unroll
    for (int i = 0; i < n; ++i) {
      const float own = upper ? v[i + n] : v[i], other = upper ? v[i] : v[i + n];
      v[i] = own + __shfl_xor_sync(~0u, other, bit);
    }
  }
  for (; bit > 0; bit /= 2) v[0] += __shfl_xor_sync(~0u, v[0], bit);
  return v[0];
}

// State, its gradient and the state behind a token are in registers, an entry always in those of one thread.
template <int kRows, int kColumns>
class DeltaHead {
 public:
  using Tile = DeltaTile<kRows, kColumns>;
  using Shared = DeltaShared<Tile::kKeys, Tile::kValues>;

  __device__ DeltaHead(const DeltaBackArgs& a, const DeltaTask& task, Shared& shared)
      : a_(a), task_(task), b_(shared), key_dim_(a.shape.key_dim), value_dim_(a.shape.value_dim), heads_(a.shape.value_heads) {
    q_size_ = static_cast<std::int64_t>(a.shape.key_heads) * key_dim_;
    columns_ = 2 * q_size_ + static_cast<std::int64_t>(heads_) * value_dim_;
    value_column_ = 2 * q_size_ + static_cast<std::int64_t>(task.head) * value_dim_;
    thread_ = static_cast<int>(threadIdx.x);
    lane_ = thread_ & 31;
    warp_ = thread_ >> 5;
    const int chunks = (task.n_rows + kDeltaChunk - 1) / kDeltaChunk;
    states_ = task.states + static_cast<std::int64_t>(chunks) * Tile::kSize;
    recalled_ = states_ + kDeltaChunk * Tile::kSize;
  }

  __device__ void run() {
    const int n = task_.n_rows;
    each([&](int i, int j) { state_[i][j] = 0; });
    TokenPart token = read_token(0);
    for (int t = 0; t < n; ++t) {
      if (t % kDeltaChunk == 0) save(task_.states + static_cast<std::int64_t>(t / kDeltaChunk) * Tile::kSize);
      token = step(token, t + 1 < n ? t + 1 : t, nullptr);
    }
    each([&](int i, int j) { ds_[i][j] = 0; });
    for (int begin = (n - 1) / kDeltaChunk * kDeltaChunk; begin >= 0; begin -= kDeltaChunk) {
      const int end = min(n, begin + kDeltaChunk);
      restore(task_.states + static_cast<std::int64_t>(begin / kDeltaChunk) * Tile::kSize);
      token = read_token(begin);
      for (int t = begin; t < end; ++t) {
        save(states_ + (t - begin) * Tile::kSize);
        token = step(token, t + 1 < end ? t + 1 : t, recalled_ + (t - begin) * Tile::kValues);
      }
      each([&](int i, int j) { after_[i][j] = state_[i][j]; });
      for (int t = end - 1; t >= begin; --t) {
        restore(states_ + (t - begin) * Tile::kSize);
        token = step_back(token, t, t > begin ? t - 1 : t, recalled_ + (t - begin) * Tile::kValues);
        each([&](int i, int j) { after_[i][j] = state_[i][j]; });
      }
    }
  }

 private:
  template <typename F>
  __device__ __forceinline__ static void each(const F& f) {
#pragma unroll
    for (int i = 0; i < kRows; ++i)
#pragma unroll
      for (int j = 0; j < kColumns; ++j) f(i, j);
  }
  // Entries in the order of threads.
  __device__ __forceinline__ void save(float* to) const {
    each([&](int i, int j) { to[(i * kColumns + j) * kDeltaThreads + thread_] = state_[i][j]; });
  }
  __device__ __forceinline__ void restore(const float* from) {
    each([&](int i, int j) { state_[i][j] = from[(i * kColumns + j) * kDeltaThreads + thread_]; });
  }

  __device__ __forceinline__ TokenPart read_token(int t) const {
    const std::int64_t token = task_.first_row + t;
    const float* x = a_.qkv + token * columns_;
    const std::int64_t q = static_cast<std::int64_t>(task_.head / (heads_ / a_.shape.key_heads)) * key_dim_;
    const bool is_key = thread_ < key_dim_, is_value = thread_ < value_dim_;
    TokenPart p;
    p.q = is_key ? x[q + thread_] : 0.0f;
    p.k = is_key ? x[q_size_ + q + thread_] : 0.0f;
    p.v = is_value ? x[value_column_ + thread_] : 0.0f;
    p.dout = is_value ? a_.dout[(token * heads_ + task_.head) * value_dim_ + thread_] : 0.0f;
    p.beta = a_.ba[token * 2 * heads_ + task_.head];
    p.decay = expf(a_.ba[token * 2 * heads_ + heads_ + task_.head]);
    return p;
  }

  // f(column, sum over the rows) in the thread of each column. Barriers are inside and behind it.
  template <typename F>
  __device__ __forceinline__ void sum_columns(const float (&sums)[kColumns], const F& f) {
#pragma unroll
    for (int j = 0; j < kColumns; ++j) b_.parts[warp_][lane_ + 32 * j] = sums[j];
    __syncthreads();
    if (thread_ < Tile::kValues) {
      float sum = 0;
#pragma unroll
      for (int w = 0; w < kDeltaWarps; ++w) sum += b_.parts[w][thread_];
      f(thread_, sum);
    }
    __syncthreads();
  }

  // The state becomes that behind the token. `recalled`, if it is there, gets what the state said of the token's key. Gives token `next`,
  // which is on its way meanwhile.
  __device__ __forceinline__ TokenPart step(const TokenPart& token, int next, float* recalled) {
    if (thread_ < Tile::kKeys) b_.k[thread_] = token.k;
    __syncthreads();
    const TokenPart following = read_token(next);
    float sums[kColumns] = {};
    each([&](int i, int j) { sums[j] = fmaf(state_[i][j], b_.k[warp_ + i * kDeltaWarps], sums[j]); });
    sum_columns(sums, [&](int c, float sum) {
      const float memory = sum * token.decay;
      b_.change[c] = token.beta * (token.v - memory);
      if (recalled != nullptr) recalled[c] = memory;
    });
    each([&](int i, int j) { state_[i][j] = fmaf(b_.k[warp_ + i * kDeltaWarps], b_.change[lane_ + 32 * j], token.decay * state_[i][j]); });
    __syncthreads();  // k is done with
    return following;
  }

  // ds: of the state behind token t, becomes that of the state before it. The state is the one before, `after` the one behind.
  __device__ __forceinline__ TokenPart step_back(const TokenPart& token, int t, int next, const float* recalled) {
    float error = 0;  // v - memory, in the thread of the column
    if (thread_ < Tile::kKeys) {
      b_.q[thread_] = token.q;
      b_.k[thread_] = token.k;
    }
    if (thread_ < Tile::kValues) {
      error = token.v - recalled[thread_];  // written by this thread
      b_.dout[thread_] = token.dout;
      b_.change[thread_] = token.beta * error;
    }
    __syncthreads();
    const TokenPart following = read_token(next);
    float read[kRows] = {}, written[kRows] = {}, du[kColumns] = {};
    each([&](int i, int j) {
      const float dout = b_.dout[lane_ + 32 * j];
      ds_[i][j] = fmaf(b_.q[warp_ + i * kDeltaWarps], dout, ds_[i][j]);
      read[i] = fmaf(after_[i][j], dout, read[i]);
      written[i] = fmaf(ds_[i][j], b_.change[lane_ + 32 * j], written[i]);
      du[j] = fmaf(ds_[i][j], b_.k[warp_ + i * kDeltaWarps], du[j]);
    });
    const std::int64_t row = task_.first_row + t;
    float dbeta = 0;
    sum_columns(du, [&](int c, float sum) {
      dbeta = sum * error;
      if (c < value_dim_) a_.dqkv[row * columns_ + value_column_ + c] = token.beta * sum;
      b_.du[c] = -token.beta * sum;  // of the memory
    });
    float recall[kRows] = {}, ddecay = 0;
    each([&](int i, int j) {
      const float dmemory = b_.du[lane_ + 32 * j];
      const float ds = fmaf(b_.k[warp_ + i * kDeltaWarps], dmemory, ds_[i][j]);
      recall[i] = fmaf(state_[i][j], dmemory, recall[i]);
      ddecay = fmaf(state_[i][j], ds, ddecay);
      ds_[i][j] = ds * token.decay;
    });
    const float dq = sum_lanes(read, lane_), dk = fmaf(token.decay, sum_lanes(recall, lane_), sum_lanes(written, lane_));
    constexpr int kLanes = 32 / kRows;  // that have the same sum
    const int r = warp_ + lane_ / kLanes * kDeltaWarps;
    if (lane_ % kLanes == 0 && r < key_dim_) {
      const std::int64_t at = (row * heads_ + task_.head) * key_dim_ + r;
      a_.dq[at] = dq;
      a_.dk[at] = dk;
    }
    dbeta = warp_sum(dbeta);
    ddecay = warp_sum(ddecay);
    if (lane_ == 0) {
      b_.gates[0][warp_] = dbeta;
      b_.gates[1][warp_] = ddecay;
    }
    __syncthreads();
    if (thread_ == 0) write_gates(token, row);
    return following;
  }

  __device__ void write_gates(const TokenPart& token, std::int64_t row) {
    float dbeta = 0, ddecay = 0;
    for (int w = 0; w < kDeltaWarps; ++w) {
      dbeta += b_.gates[0][w];
      ddecay += b_.gates[1][w];
    }
    float* dba = a_.dba + row * 2 * heads_;
    dba[task_.head] = dbeta * token.beta * (1.0f - token.beta);
    // decay = exp(-rate softplus(a + dt_bias))
    const float a = a_.given_ba[row * 2 * heads_ + heads_ + task_.head] + a_.dt_bias[task_.head];
    dba[heads_ + task_.head] = -ddecay * token.decay * expf(a_.a_log[task_.head]) * sigmoid(a);
  }

  const DeltaBackArgs& a_;
  const DeltaTask task_;
  Shared& b_;
  float *states_, *recalled_;  // of the chunk
  std::int64_t q_size_, columns_, value_column_;
  int key_dim_, value_dim_, heads_, thread_, lane_, warp_;
  float state_[kRows][kColumns], ds_[kRows][kColumns], after_[kRows][kColumns];
};

template <int kRows, int kColumns>
__global__ void __launch_bounds__(kDeltaThreads) delta_back_kernel(const __grid_constant__ DeltaBackArgs a) {
  __shared__ typename DeltaHead<kRows, kColumns>::Shared shared;
  begin_kernel();
  DeltaHead<kRows, kColumns>(a, a.tasks[blockIdx.x], shared).run();
}

// A warp per token and head of the queries, then of the keys. y = times x / sqrt(sum x^2 + eps), so with f = 1 / sqrt(sum x^2 + eps)
//   dx = times f (dy - x f^2 sum x dy)
__global__ void __launch_bounds__(kThreads) delta_norms_kernel(DeltaShape s, const float* qkv, const float* dq, const float* dk,
                                                               float* dqkv, std::int64_t n, std::int64_t columns) {
  begin_kernel();
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * kWarps + (threadIdx.x >> 5);
  const std::int64_t row = index / (2 * s.key_heads);
  const int head = static_cast<int>(index % (2 * s.key_heads)), lane = static_cast<int>(threadIdx.x) & 31;
  if (row >= n) return;
  const bool is_key = head >= s.key_heads;
  const int group = s.value_heads / s.key_heads;
  const float* x = qkv + row * columns + static_cast<std::int64_t>(head) * s.key_dim;
  float* dx = dqkv + row * columns + static_cast<std::int64_t>(head) * s.key_dim;
  const float* dy =
      (is_key ? dk : dq) + (row * s.value_heads + static_cast<std::int64_t>(is_key ? head - s.key_heads : head) * group) * s.key_dim;
  const auto sum_of_heads = [&](int j) {
    float sum = 0;
    for (int v = 0; v < group; ++v) sum += dy[static_cast<std::int64_t>(v) * s.key_dim + j];
    return sum;
  };
  float squares = 0, product = 0;
  for (int j = lane; j < s.key_dim; j += 32) {
    squares = fmaf(x[j], x[j], squares);
    product = fmaf(x[j], sum_of_heads(j), product);
  }
  const float square = 1.0f / (warp_sum(squares) + kL2Eps);
  product = warp_sum(product) * square;
  const float factor = sqrtf(square) / (is_key ? 1.0f : sqrtf(static_cast<float>(s.key_dim)));
  for (int j = lane; j < s.key_dim; j += 32) dx[j] = factor * (sum_of_heads(j) - x[j] * product);
}

}  // namespace

void conv_back(const float* x, const float* weight, float* dout, float* dx, std::int64_t channels, std::int64_t kernel, bool silu,
               const Runs& texts, Stream stream) {
  std::int32_t longest = 0;
  for (int i = 0; i < texts.n; ++i) longest = texts.run[i].n_rows > longest ? texts.run[i].n_rows : longest;
  const dim3 grid(blocks_of(channels, kThreads), static_cast<unsigned>(longest < 4096 ? longest : 4096), static_cast<unsigned>(texts.n));
  const int c = static_cast<int>(channels), k = static_cast<int>(kernel);
  if (silu) launch(conv_sums_kernel, grid, dim3(kThreads), 0, stream, x, weight, dout, c, k, texts);
  launch(conv_inputs_kernel, grid, dim3(kThreads), 0, stream, weight, dout, dx, c, k, texts);
}

std::int64_t delta_floats(const DeltaShape& s, std::int64_t n_rows) {
  const std::int64_t size = is_small(s) ? SmallTile::kSize : LargeTile::kSize,
                     values = is_small(s) ? SmallTile::kValues : LargeTile::kValues;
  return ((n_rows + kDeltaChunk - 1) / kDeltaChunk + kDeltaChunk) * size + kDeltaChunk * values;
}

void delta_back(const DeltaBackArgs& a, int n, Stream stream) {
  const dim3 grid(static_cast<unsigned>(n)), block(kDeltaThreads);
  if (is_small(a.shape))
    launch(delta_back_kernel<8, 4>, grid, block, 0, stream, a);
  else
    launch(delta_back_kernel<16, 8>, grid, block, 0, stream, a);
}

void delta_norms_back(const DeltaShape& s, const float* qkv, const float* dq, const float* dk, float* dqkv, std::int64_t n, Stream stream) {
  launch(delta_norms_kernel, dim3(blocks_of(n * 2 * s.key_heads, kWarps)), dim3(kThreads), 0, stream, s, qkv, dq, dk, dqkv, n, s.columns());
}

}  // namespace jang::kernels::cuda
