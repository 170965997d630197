// SPDX-License-Identifier: Apache-2.0
// A block or a warp per row, or a thread per value; sums over a row by a tree that depends on the length of the row only,
// in double where what is left of a sum may be small beside its terms.
#include "kernels/cuda/backward_rows.h"

#include "kernels/cuda/device_code.cuh"

namespace jang::kernels::cuda {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / 32;

// A block per token and part of the columns. The first token of an id adds for all tokens of that id, one after the other.
constexpr int kEmbedColumns = 512;
__global__ void __launch_bounds__(kThreads) embed_back_kernel(EmbedBackArgs a) {
  begin_kernel();
  __shared__ unsigned found[kWarps];
  const std::int32_t id = a.ids[blockIdx.x];
  const std::int64_t row = id - a.first;
  if (row < 0 || row >= a.rows) return;
  const int own = static_cast<int>(blockIdx.x), thread = static_cast<int>(threadIdx.x);
  bool earlier = false;
  for (int i = thread; i < own; i += kThreads) earlier = earlier || a.ids[i] == id;
  if (__syncthreads_or(earlier ? 1 : 0) != 0) return;
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.y) * kEmbedColumns + thread;
  float* to = a.dtable.at + row * a.dtable.stride;
  float sums[kEmbedColumns / kThreads] = {};
#pragma unroll
  for (int j = 0; j < kEmbedColumns / kThreads; ++j)
    if (column + j * kThreads < a.columns) sums[j] = to[column + j * kThreads];
  for (int begin = own; begin < a.n; begin += kThreads) {
    const bool same = begin + thread < a.n && a.ids[begin + thread] == id;
    const unsigned votes = __ballot_sync(~0u, same);
    __syncthreads();
    if ((thread & 31) == 0) found[thread >> 5] = votes;
    __syncthreads();
    for (int w = 0; w < kWarps; ++w)
      for (unsigned left = found[w]; left != 0; left &= left - 1) {
        const std::int64_t token = begin + w * 32 + __ffs(static_cast<int>(left)) - 1;
        const float* from = a.dout.at + token * a.dout.stride;
#pragma unroll
        for (int j = 0; j < kEmbedColumns / kThreads; ++j)
          if (column + j * kThreads < a.columns) sums[j] = fmaf(a.scale, from[column + j * kThreads], sums[j]);
      }
  }
#pragma unroll
  for (int j = 0; j < kEmbedColumns / kThreads; ++j)
    if (column + j * kThreads < a.columns) to[column + j * kThreads] = sums[j];
}

__global__ void add_rows_kernel(Rows x, Rows to, std::int64_t columns) {
  begin_kernel();
  const std::int64_t row = blockIdx.x;
  for (std::int64_t j = threadIdx.x; j < columns; j += blockDim.x) to.at[row * to.stride + j] += x.at[row * x.stride + j];
}

__global__ void soft_cap_back_kernel(Rows logits, float cap, Rows dlogits, std::int64_t columns) {
  begin_kernel();
  const std::int64_t row = blockIdx.x;
  for (std::int64_t j = static_cast<std::int64_t>(blockIdx.y) * blockDim.x + threadIdx.x; j < columns;
       j += static_cast<std::int64_t>(gridDim.y) * blockDim.x) {
    const float t = logits.at[row * logits.stride + j] / cap;
    dlogits.at[row * dlogits.stride + j] *= 1.0f - t * t;
  }
}

// out = (x - m) f (w + offset), f = 1 / sqrt(mean((x - m)^2) + eps), m = 0 or, centred, mean(x). With g = dout (w + offset)
// dx = f (g - (x - m) f^2 mean((x - m) g) [- mean(g), centred]), by the threads `thread` of `threads`, which share sums with `sum`. Each
// meets the same columns in both passes: dx may be dout.
template <typename Sum>
__device__ __forceinline__ void norm_gradient(const float* x, const float* norm, std::int64_t n, float eps, float offset, const float* dout,
                                              bool add, float* dx, int thread, int threads, const Sum& sum, bool centred = false) {
  double mean = 0, common = 0, squares = 0, product = 0;
  if (centred) {
    for (std::int64_t j = thread; j < n; j += threads) {
      mean += x[j];
      common = fma(norm != nullptr ? static_cast<double>(norm[j]) + offset : 1.0, static_cast<double>(dout[j]), common);
    }
    mean = sum(mean) / static_cast<double>(n);
    common = sum(common) / static_cast<double>(n);
  }
  for (std::int64_t j = thread; j < n; j += threads) {
    const double v = x[j] - mean, w = norm != nullptr ? static_cast<double>(norm[j]) + offset : 1.0;
    squares = fma(v, v, squares);
    product = fma(v * w, static_cast<double>(dout[j]), product);
  }
  squares = sum(squares);
  product = sum(product);
  const double factor = 1.0 / sqrt(squares / static_cast<double>(n) + eps);
  const double along = product / static_cast<double>(n) * factor * factor;
  for (std::int64_t j = thread; j < n; j += threads) {
    const double w = norm != nullptr ? static_cast<double>(norm[j]) + offset : 1.0;
    const float d = static_cast<float>(factor * (dout[j] * w - (x[j] - mean) * along - common));
    dx[j] = add ? dx[j] + d : d;
  }
}

constexpr std::int64_t kMostOfWarp = 256;  // columns that a warp takes by itself

template <bool kWarpPerRow>
__global__ void __launch_bounds__(kThreads) norm_back_kernel(NormBackArgs a) {
  begin_kernel();
  const int thread = static_cast<int>(threadIdx.x);
  const std::int64_t row = kWarpPerRow ? static_cast<std::int64_t>(blockIdx.x) * kWarps + (thread >> 5) : blockIdx.x;
  if (row >= a.n) return;
  const float* x = a.x.at + row * a.x.stride;
  const float* dout = a.dout.at + row * a.dout.stride;
  float* dx = a.dx.at + row * a.dx.stride;
  if constexpr (kWarpPerRow)
    norm_gradient(
        x, a.norm, a.columns, a.eps, a.offset, dout, a.add, dx, thread & 31, 32, [](double v) { return warp_sum(v); }, a.centred);
  else
    norm_gradient(
        x, a.norm, a.columns, a.eps, a.offset, dout, a.add, dx, thread, kThreads, [](double v) { return block_sum(v); }, a.centred);
}

__device__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

// Value and derivative of the activation.
__device__ __forceinline__ float2 activate(int activation, float x) {
  if (activation == 1) {
    constexpr float kRoot = 0.797884561f, kCube = 0.044715f;  // sqrt(2 / pi)
    const float t = tanhf(kRoot * (x + kCube * x * x * x));
    return make_float2(0.5f * x * (1.0f + t), 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * kRoot * (1.0f + 3.0f * kCube * x * x));
  }
  if (activation == 3) {
    const float below = 0.5f * (1.0f + erff(x * 0.707106781f));
    return make_float2(x * below, below + x * 0.398942280f * expf(-0.5f * x * x));  // 1 / sqrt(2 pi)
  }
  if (activation == 4) return x < 0.0f ? make_float2(0.0f, 0.0f) : make_float2(x * x, 2.0f * x);
  if (activation == 5) return make_float2(x, 1.0f);
  const float s = sigmoid(x);
  if (activation == 2) return make_float2(s, s * (1.0f - s));
  return make_float2(x * s, s * (1.0f + x * (1.0f - s)));
}

__global__ void glu_back_kernel(GluBackArgs a) {
  begin_kernel();
  const std::int64_t row = blockIdx.x;
  for (std::int64_t j = threadIdx.x; j < a.columns; j += blockDim.x) {
    const float2 activated = activate(a.activation, a.gate.at[row * a.gate.stride + j]);
    const float d = a.dout.at[row * a.dout.stride + j];
    const float up = a.up.at != nullptr ? a.up.at[row * a.up.stride + j] : 1.0f;
    const float through_gate = d * up * activated.y, through_up = d * activated.x;
    a.dgate.at[row * a.dgate.stride + j] = through_gate;  // behind all reads
    if (a.dup.at != nullptr) a.dup.at[row * a.dup.stride + j] = through_up;
  }
}

__global__ void __launch_bounds__(kThreads) add_gated_back_kernel(Rows x, Rows gate, Rows dout, Rows dx, Rows dgate, std::int64_t columns) {
  begin_kernel();
  const std::int64_t row = blockIdx.x;
  const float s = sigmoid(gate.at[row * gate.stride]);
  float product = 0;
  for (std::int64_t j = threadIdx.x; j < columns; j += kThreads) {
    const float d = dout.at[row * dout.stride + j];
    product = fmaf(x.at[row * x.stride + j], d, product);
    dx.at[row * dx.stride + j] = s * d;
  }
  product = block_sum(product);
  if (threadIdx.x == 0) dgate.at[row * dgate.stride] = product * s * (1.0f - s);
}

// One head, by a warp: turned by the angles of its row, or by those times `sign`.
__device__ __forceinline__ void turn(const RopeBackArgs& a, std::int64_t row, float sign, float* head, int lane) {
  for (std::int64_t j = lane; j < a.half; j += 32) {
    const float c = a.cosines.at[row * a.cosines.stride + j], s = sign * a.sines.at[row * a.sines.stride + j];
    float* first = head + (a.interleaved ? 2 * j : j);
    float* second = head + (a.interleaved ? 2 * j + 1 : j + a.half);
    const float x = *first, y = *second;
    *first = x * c - y * s;
    *second = y * c + x * s;
  }
  __syncwarp();
}

// A warp per head: turned back, which is the transpose of the turn, and through its norm, in the order opposite to the forward's.
__global__ void __launch_bounds__(kThreads) rope_back_kernel(RopeBackArgs a) {
  begin_kernel();
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * kWarps + (threadIdx.x >> 5);
  const std::int64_t row = index / a.heads, head = index % a.heads;
  const int lane = static_cast<int>(threadIdx.x) & 31;
  if (row >= a.n) return;
  float* d = a.d.at + row * a.d.stride + head * a.head_dim;
  float* x = a.norm != nullptr ? a.x.at + row * a.x.stride + head * a.head_dim : nullptr;
  const auto sum = [](double v) { return warp_sum(v); };
  if (x != nullptr && a.norm_last) {
    turn(a, row, 1.0f, x, lane);
    norm_gradient(x, a.norm, a.head_dim, a.eps, a.offset, d, false, d, lane, 32, sum);
    __syncwarp();
  }
  turn(a, row, -1.0f, d, lane);
  if (x != nullptr && !a.norm_last) norm_gradient(x, a.norm, a.head_dim, a.eps, a.offset, d, false, d, lane, 32, sum);
}

// grid: token, choice
__global__ void __launch_bounds__(kThreads) combine_back_kernel(CombineBackArgs a) {
  begin_kernel();
  const std::int64_t t = blockIdx.x, choice = blockIdx.y, slot = a.slots[t * a.top_k + choice];
  const float weight = a.weights.at[t * a.weights.stride + choice];
  const float* d = a.dout.at + t * a.dout.stride;
  const float* x = a.x.at + slot * a.x.stride;
  float* dx = a.dx.at + slot * a.dx.stride;
  float product = 0;
  for (std::int64_t j = threadIdx.x; j < a.columns; j += kThreads) {
    product = fmaf(x[j], d[j], product);
    dx[j] = weight * d[j];
  }
  product = block_sum(product);
  if (threadIdx.x == 0) a.dweights.at[t * a.dweights.stride + choice] = product;
}

// The expert of a slot: the last that begins at or before it.
__device__ int expert_of(const RouteBackArgs& a, std::int32_t slot) {
  int low = 0, high = a.experts - 1;
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (a.begin[middle] <= slot)
      low = middle;
    else
      high = middle - 1;
  }
  return low;
}

// A warp per token. With w = p[chosen] (/ s, s their sum) and p = softmax(logits):
//   dp[chosen] = dw (normalized: (dw - sum_c w_c dw_c) / s);  dlogits = p * (dp - sum_j p_j dp_j)
__global__ void __launch_bounds__(kThreads) route_back_kernel(RouteBackArgs a) {
  begin_kernel();
  const std::int64_t t = static_cast<std::int64_t>(blockIdx.x) * kWarps + (threadIdx.x >> 5);
  const int lane = static_cast<int>(threadIdx.x) & 31;
  if (t >= a.n) return;
  const float* logits = a.logits.at + t * a.logits.stride;
  const float* dw = a.dweights.at + t * a.dweights.stride;
  const std::int32_t* slots = a.slots + t * a.top_k;
  float* d = a.dlogits.at + t * a.dlogits.stride;
  float largest = -INFINITY, total = 0;
  for (int e = lane; e < a.experts; e += 32) largest = fmaxf(largest, logits[e]);
  largest = warp_max(largest);
  for (int e = lane; e < a.experts; e += 32) total += expf(logits[e] - largest);
  total = warp_sum(total);
  const auto probability = [&](int e) { return expf(logits[e] - largest) / total; };
  // A choice a lane; of more than 32 a lane takes several.
  double sum = 0, mean = 0;
  for (int c = lane; c < a.top_k; c += 32) {
    const double p = probability(expert_of(a, slots[c]));
    sum += p;
    mean = fma(p, static_cast<double>(dw[c]), mean);
  }
  sum = warp_sum(sum);
  mean = warp_sum(mean) / sum;
  const auto slope = [&](int c) { return a.normalized ? (dw[c] - mean) / sum : static_cast<double>(dw[c]); };
  double all = 0;
  for (int c = lane; c < a.top_k; c += 32) all = fma(static_cast<double>(probability(expert_of(a, slots[c]))), slope(c), all);
  all = warp_sum(all);
  for (int e = lane; e < a.experts; e += 32) d[e] = static_cast<float>(-probability(e) * all);
  __syncwarp();
  for (int c = lane; c < a.top_k; c += 32) {
    const int e = expert_of(a, slots[c]);
    d[e] = static_cast<float>(probability(e) * (slope(c) - all));
  }
}

__global__ void sum_slots_kernel(Rows dslots, const std::int32_t* slots, std::int64_t top_k, Rows dx, std::int64_t columns) {
  begin_kernel();
  const std::int64_t t = blockIdx.x;
  for (std::int64_t j = threadIdx.x; j < columns; j += blockDim.x) {
    float sum = dx.at[t * dx.stride + j];
    for (std::int64_t c = 0; c < top_k; ++c) sum += dslots.at[static_cast<std::int64_t>(slots[t * top_k + c]) * dslots.stride + j];
    dx.at[t * dx.stride + j] = sum;
  }
}

dim3 rows_grid(std::int64_t n) { return dim3(static_cast<unsigned>(n)); }

}  // namespace

void embed_back(const EmbedBackArgs& a, Stream stream) {
  launch(embed_back_kernel, dim3(static_cast<unsigned>(a.n), blocks_of(a.columns, kEmbedColumns)), dim3(kThreads), 0, stream, a);
}

void add_rows(const Rows& x, const Rows& to, std::int64_t n, std::int64_t columns, Stream stream) {
  launch(add_rows_kernel, rows_grid(n), dim3(kThreads), 0, stream, x, to, columns);
}

void soft_cap_back(const Rows& logits, float cap, const Rows& dlogits, std::int64_t n, std::int64_t columns, Stream stream) {
  const unsigned across = blocks_of(columns, kThreads);
  launch(soft_cap_back_kernel, dim3(static_cast<unsigned>(n), across < 256u ? across : 256u), dim3(kThreads), 0, stream, logits, cap,
         dlogits, columns);
}

void norm_back(const NormBackArgs& a, Stream stream) {
  if (a.columns <= kMostOfWarp)
    launch(norm_back_kernel<true>, dim3(blocks_of(a.n, kWarps)), dim3(kThreads), 0, stream, a);
  else
    launch(norm_back_kernel<false>, rows_grid(a.n), dim3(kThreads), 0, stream, a);
}

void glu_back(const GluBackArgs& a, Stream stream) { launch(glu_back_kernel, rows_grid(a.n), dim3(kThreads), 0, stream, a); }

void add_gated_back(const Rows& x, const Rows& gate, const Rows& dout, const Rows& dx, const Rows& dgate, std::int64_t n,
                    std::int64_t columns, Stream stream) {
  launch(add_gated_back_kernel, rows_grid(n), dim3(kThreads), 0, stream, x, gate, dout, dx, dgate, columns);
}

void rope_back(const RopeBackArgs& a, Stream stream) {
  launch(rope_back_kernel, dim3(blocks_of(a.n * a.heads, kWarps)), dim3(kThreads), 0, stream, a);
}

void combine_back(const CombineBackArgs& a, Stream stream) {
  launch(combine_back_kernel, dim3(static_cast<unsigned>(a.n), static_cast<unsigned>(a.top_k)), dim3(kThreads), 0, stream, a);
}

void route_back(const RouteBackArgs& a, Stream stream) {
  launch(route_back_kernel, dim3(blocks_of(a.n, kWarps)), dim3(kThreads), 0, stream, a);
}

void sum_slots(const Rows& dslots, const std::int32_t* slots, std::int64_t top_k, const Rows& dx, std::int64_t n, std::int64_t columns,
               Stream stream) {
  launch(sum_slots_kernel, rows_grid(n), dim3(kThreads), 0, stream, dslots, slots, top_k, dx, columns);
}

}  // namespace jang::kernels::cuda
