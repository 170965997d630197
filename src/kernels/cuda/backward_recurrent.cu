// SPDX-License-Identifier: Apache-2.0
// Convolution: a thread per token and channel. Delta rule: a block per value head of a text runs forward once and keeps the states at the
// starts of chunks, then walks back through the chunks, whose states it computes once more. Rows of a state are keys, columns values; a
// thread meets the same entries in every pass, so that states need no barrier.
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

// What a block of the delta rule has in shared memory.
struct Block {
  float* ds;                      // [key_dim, value_dim]; on the way forward the state
  float* parts;                   // [kWarps, value_dim]
  float *q, *k;                   // [key_dim]
  float* dk;                      // [key_dim]
  float *v, *dout, *change, *du;  // [value_dim]
  float* memory;                  // [value_dim]
};
__host__ __device__ constexpr std::int64_t floats_of(std::int64_t key_dim, std::int64_t value_dim) {
  return key_dim * value_dim + kWarps * value_dim + 3 * key_dim + 5 * value_dim;
}

// kColumns: of a lane, 32 apart.
template <int kColumns>
class DeltaHead {
 public:
  __device__ DeltaHead(const DeltaBackArgs& a, const DeltaTask& task, float* shared)
      : a_(a), task_(task), key_dim_(a.shape.key_dim), value_dim_(a.shape.value_dim), heads_(a.shape.value_heads) {
    q_size_ = static_cast<std::int64_t>(a.shape.key_heads) * key_dim_;
    columns_ = 2 * q_size_ + static_cast<std::int64_t>(heads_) * value_dim_;
    b_.ds = shared;
    b_.parts = b_.ds + key_dim_ * value_dim_;
    b_.q = b_.parts + kWarps * value_dim_;
    b_.k = b_.q + key_dim_;
    b_.dk = b_.k + key_dim_;
    b_.v = b_.dk + key_dim_;
    b_.dout = b_.v + value_dim_;
    b_.change = b_.dout + value_dim_;
    b_.du = b_.change + value_dim_;
    b_.memory = b_.du + value_dim_;
    thread_ = static_cast<int>(threadIdx.x);
    lane_ = thread_ & 31;
    warp_ = thread_ >> 5;
  }

  __device__ void run() {
    const int n = task_.n_rows, size = key_dim_ * value_dim_;
    float* starts = task_.states;
    float* states = starts + static_cast<std::int64_t>((n + kDeltaChunk - 1) / kDeltaChunk) * size;
    clear();
    for (int t = 0; t < n; ++t) {
      if (t % kDeltaChunk == 0) copy(b_.ds, starts + static_cast<std::int64_t>(t / kDeltaChunk) * size);
      read_token(t);
      recall(b_.ds);
      step(b_.ds, b_.ds);
    }
    clear();
    for (int chunk = (n + kDeltaChunk - 1) / kDeltaChunk - 1; chunk >= 0; --chunk) {
      const int begin = chunk * kDeltaChunk, end = min(n, begin + kDeltaChunk);
      copy(starts + static_cast<std::int64_t>(chunk) * size, states);
      for (int t = begin; t < end; ++t) {
        const float* state = states + static_cast<std::int64_t>(t - begin) * size;
        read_token(t);
        recall(state);
        step(state, states + static_cast<std::int64_t>(t - begin + 1) * size);
      }
      for (int t = end - 1; t >= begin; --t) step_back(t, states + static_cast<std::int64_t>(t - begin) * size);
    }
  }

 private:
  // f(index, column, j) for the entries of a row that belong to this thread.
  template <typename F>
  __device__ __forceinline__ void row(int r, const F& f) const {
#pragma unroll
    for (int j = 0; j < kColumns; ++j) {
      const int c = lane_ + 32 * j;
      if (c < value_dim_) f(r * value_dim_ + c, c, j);
    }
  }
  __device__ void clear() {
    for (int r = warp_; r < key_dim_; r += kWarps) row(r, [&](int i, int, int) { b_.ds[i] = 0; });
  }
  __device__ void copy(const float* from, float* to) {
    for (int r = warp_; r < key_dim_; r += kWarps) row(r, [&](int i, int, int) { to[i] = from[i]; });
  }

  __device__ std::int64_t value_column() const { return 2 * q_size_ + static_cast<std::int64_t>(task_.head) * value_dim_; }
  __device__ void read_token(int t) {
    const std::int64_t token = task_.first_row + t;
    const float* x = a_.qkv + token * columns_;
    const std::int64_t q = static_cast<std::int64_t>(task_.head / (heads_ / a_.shape.key_heads)) * key_dim_;
    __syncthreads();  // the token before is done with
    for (int i = thread_; i < key_dim_; i += kThreads) {
      b_.q[i] = x[q + i];
      b_.k[i] = x[q_size_ + q + i];
    }
    for (int i = thread_; i < value_dim_; i += kThreads) {
      b_.v[i] = x[value_column() + i];
      b_.dout[i] = a_.dout[(token * heads_ + task_.head) * value_dim_ + i];
    }
    beta_ = a_.ba[token * 2 * heads_ + task_.head];
    decay_ = expf(a_.ba[token * 2 * heads_ + heads_ + task_.head]);
    __syncthreads();
  }

  // Sums over the warps of what their lanes have of each column. Every thread calls it; a barrier is behind it.
  template <typename F>
  __device__ __forceinline__ void column_sums(const float (&sums)[kColumns], const F& f) {
#pragma unroll
    for (int j = 0; j < kColumns; ++j)
      if (lane_ + 32 * j < value_dim_) b_.parts[warp_ * value_dim_ + lane_ + 32 * j] = sums[j];
    __syncthreads();
    for (int c = thread_; c < value_dim_; c += kThreads) {
      float sum = 0;
      for (int w = 0; w < kWarps; ++w) sum += b_.parts[w * value_dim_ + c];
      f(c, sum);
    }
    __syncthreads();
  }

  // What the state says of the token's key, and the change that the token makes.
  __device__ void recall(const float* state) {
    float sums[kColumns] = {};
    for (int r = warp_; r < key_dim_; r += kWarps) {
      const float k = b_.k[r];
      row(r, [&](int i, int, int j) { sums[j] = fmaf(state[i], k, sums[j]); });
    }
    column_sums(sums, [&](int c, float sum) {
      const float memory = sum * decay_;
      b_.memory[c] = memory;
      b_.change[c] = beta_ * (b_.v[c] - memory);
    });
  }
  // The state behind the token; may be in place.
  __device__ void step(const float* state, float* next) {
    for (int r = warp_; r < key_dim_; r += kWarps) {
      const float k = b_.k[r];
      row(r, [&](int i, int c, int) { next[i] = fmaf(k, b_.change[c], decay_ * state[i]); });
    }
  }

  // ds: of the state behind token t, becomes that of the state before it. state, and behind it the next: before and after.
  __device__ void step_back(int t, const float* state) {
    read_token(t);
    recall(state);
    const std::int64_t token = task_.first_row + t, at = (token * heads_ + task_.head) * key_dim_;
    const float* after = state + key_dim_ * value_dim_;
    float du[kColumns] = {};
    for (int r = warp_; r < key_dim_; r += kWarps) {
      const float q = b_.q[r], k = b_.k[r];
      float read = 0, written = 0;
      row(r, [&](int i, int c, int j) {
        const float dout = b_.dout[c], ds = fmaf(q, dout, b_.ds[i]);
        read = fmaf(after[i], dout, read);
        written = fmaf(ds, b_.change[c], written);
        du[j] = fmaf(ds, k, du[j]);
        b_.ds[i] = ds;
      });
      read = warp_sum(read);
      written = warp_sum(written);
      if (lane_ == 0) {
        a_.dq[at + r] = read;
        b_.dk[r] = written;  // read by this lane below
      }
    }
    float dbeta = 0;
    float* dv = a_.dqkv + token * columns_ + value_column();
    column_sums(du, [&](int c, float sum) {
      dbeta = fmaf(sum, b_.v[c] - b_.memory[c], dbeta);
      dv[c] = beta_ * sum;
      b_.du[c] = -beta_ * sum;  // of the memory
    });
    float ddecay = 0;
    for (int r = warp_; r < key_dim_; r += kWarps) {
      const float k = b_.k[r];
      float recalled = 0;
      row(r, [&](int i, int c, int) {
        const float before = state[i], ds = fmaf(k, b_.du[c], b_.ds[i]);
        recalled = fmaf(before, b_.du[c], recalled);
        ddecay = fmaf(before, ds, ddecay);
        b_.ds[i] = ds * decay_;
      });
      recalled = warp_sum(recalled);
      if (lane_ == 0) a_.dk[at + r] = fmaf(decay_, recalled, b_.dk[r]);
    }
    dbeta = block_sum(dbeta);
    ddecay = block_sum(ddecay);
    if (thread_ != 0) return;
    float* dba = a_.dba + token * 2 * heads_;
    dba[task_.head] = dbeta * beta_ * (1.0f - beta_);
    // decay = exp(-rate softplus(a + dt_bias))
    const float a = a_.given_ba[token * 2 * heads_ + heads_ + task_.head] + a_.dt_bias[task_.head];
    dba[heads_ + task_.head] = -ddecay * decay_ * expf(a_.a_log[task_.head]) * sigmoid(a);
  }

  const DeltaBackArgs& a_;
  const DeltaTask task_;
  Block b_;
  int key_dim_, value_dim_, heads_, thread_, lane_, warp_;
  std::int64_t q_size_, columns_;  // floats of a token: queries; all
  float beta_ = 0, decay_ = 0;
};

template <int kColumns>
__global__ void __launch_bounds__(kThreads) delta_back_kernel(const __grid_constant__ DeltaBackArgs a) {
  extern __shared__ float memory[];
  begin_kernel();
  DeltaHead<kColumns>(a, a.tasks[blockIdx.x], memory).run();
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

void conv_back(const float* x, const float* weight, float* dout, float* dx, std::int64_t channels, std::int64_t kernel, const Runs& texts,
               Stream stream) {
  std::int32_t longest = 0;
  for (int i = 0; i < texts.n; ++i) longest = texts.run[i].n_rows > longest ? texts.run[i].n_rows : longest;
  const dim3 grid(blocks_of(channels, kThreads), static_cast<unsigned>(longest < 4096 ? longest : 4096), static_cast<unsigned>(texts.n));
  const int c = static_cast<int>(channels), k = static_cast<int>(kernel);
  launch(conv_sums_kernel, grid, dim3(kThreads), 0, stream, x, weight, dout, c, k, texts);
  launch(conv_inputs_kernel, grid, dim3(kThreads), 0, stream, weight, dout, dx, c, k, texts);
}

std::int64_t delta_back_bytes(const DeltaShape& s) { return 4 * floats_of(s.key_dim, s.value_dim); }

void delta_back(const DeltaBackArgs& a, int n, Stream stream) {
  const auto bytes = static_cast<std::size_t>(delta_back_bytes(a.shape));
  const auto start = [&](auto* kernel) {
    if (bytes > 48u * 1024u) cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes));
    launch(kernel, dim3(static_cast<unsigned>(n)), dim3(kThreads), bytes, stream, a);
  };
  if (a.shape.value_dim <= 128)
    start(delta_back_kernel<4>);
  else
    start(delta_back_kernel<8>);
}

void delta_norms_back(const DeltaShape& s, const float* qkv, const float* dq, const float* dk, float* dqkv, std::int64_t n, Stream stream) {
  launch(delta_norms_kernel, dim3(blocks_of(n * 2 * s.key_heads, kWarps)), dim3(kThreads), 0, stream, s, qkv, dq, dk, dqkv, n, s.columns());
}

}  // namespace jang::kernels::cuda
