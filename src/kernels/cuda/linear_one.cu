// SPDX-License-Identifier: Apache-2.0
// A step of decoding reads every weight once, for one input. The kernel of few inputs (linear_fast.cu) has the order of sums, which this one
// keeps bit for bit; what differs:
//   - a multiprocessor has one block of two teams of eight warps, a warp per slice of the columns, with all of its shared memory full of
//     weights on their way. Two blocks of half the size, which would let the next map's weights come early, land on one multiprocessor too
//     often while another has none.
//   - the block prepares the input for itself, in shared memory: norm, scaling, float16, sums of units. Each block repeats that work,
//     which takes less time than a kernel in between.
//   - a tile is two halves of eight rows. Those of a gated unit are eight rows of the gate and the same eight of the other map, so that
//     one lane has both results.
#include "kernels/cuda/linear_one.h"

#include "codec/dispatch.h"
#include "kernels/cuda/activation.cuh"
#include "kernels/cuda/fast_map.cuh"
#include "kernels/cuda/launch_beside.cuh"
#include "kernels/cuda/linear_wide.h"
#include "kernels/cuda/rows.h"
#include "kernels/cuda/unit_inputs.cuh"
#include "kernels/cuda/warpgroup.cuh"

namespace jang::kernels::cuda {
namespace {

constexpr int kMostOneColumns = 18944;  // whose inputs fit beside the stages of every width
constexpr int kTeams = 2, kWarps = kTeams * kSlices, kThreads = 32 * kWarps;

struct OneArgs {
  FastMap maps[kMapsPerLaunch];
  int tiles_end[kMapsPerLaunch];  // tiles of the maps, summed up
  int n_maps;
  OneInput input;
  OneFollower follower;
  int columns, chunks, norm_threads;
};

// The map of a tile.
__device__ __forceinline__ int map_index(const OneArgs& a, int tile, int* first_tile) {
  int m = 0;
  while (m + 1 < a.n_maps && tile >= a.tiles_end[m]) ++m;
  *first_tile = m > 0 ? a.tiles_end[m - 1] : 0;
  return m;
}

// The stages of a warp, as many as fit beside the inputs.
template <int kBits>
struct OneStages {
  using S = Stage<kBits, 1>;
  static constexpr int kDepth = kBits == 2 ? 5 : kBits <= 4 ? 4 : kBits <= 6 ? 3 : 2;
  static constexpr int kBytes = kWarps * kDepth * S::kBytes;
};

// Shared memory behind the stages: values [unit][half][lane of a quad] 16 bytes, then sums [chunk][2][unit of the chunk].
__host__ __device__ constexpr int input_bytes(int chunks) { return chunks * (kChunkColumns * 2 + 2 * kChunkUnits * 4); }

__device__ __forceinline__ void copy_piece(std::uint32_t to, const std::byte* from) {
  asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
}
template <int kBytes>
__device__ __forceinline__ void copy_params(std::uint32_t to, const std::byte* from) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(to), "l"(from), "n"(kBytes) : "memory");
}

// --- the input

// 1 / sqrt(mean(x^2) + eps), in the order of add_norm (rows.cu), which has `norm_threads` threads.
__device__ float norm_factor_of(const OneArgs& a) {
  __shared__ float parts[32];
  const int thread = static_cast<int>(threadIdx.x), lane = thread & 31;
  for (int v = thread; v < a.norm_threads; v += kThreads) {
    float sum = 0;
#pragma unroll 4
    for (int j = v; j < a.columns; j += a.norm_threads) sum = fmaf(a.input.x[j], a.input.x[j], sum);
    sum = warp_sum(sum);
    if (lane == 0) parts[v >> 5] = sum;
  }
  __syncthreads();
  const float total = warp_sum(lane < a.norm_threads / 32 ? parts[lane] : 0.0f);
  return 1.0f / sqrtf(total / static_cast<float>(a.columns) + a.input.eps);
}

__device__ __forceinline__ float input_value(const OneInput& in, float norm_factor, int c) {
  if (in.normed == nullptr) return in.x[c];
  return in.x[c] * norm_factor * (in.norm != nullptr ? in.norm[c] + in.offset : 1.0f);
}

// The input in shared memory: values and sums.
struct Prepared {
  uint4* values;
  std::uint32_t* sums;

  __device__ __forceinline__ void put(const UnitLane& own, int u, float value_0, float value_1, bool bf16) const {
    float sum = 0;
    const std::uint32_t word = own.make(value_0, value_1, &sum);
    sum += __shfl_xor_sync(~0u, sum, 16);
    reinterpret_cast<std::uint32_t*>(values)[u * 32 + own.half * 16 + 4 * own.t + own.pair] = word;
    if ((threadIdx.x & 31) != 0) return;
    const uint2 parts = sum_parts(bf16, sum);
    std::uint32_t* to = sums + u / kChunkUnits * (2 * kChunkUnits) + u % kChunkUnits;
    to[0] = parts.x;
    to[kChunkUnits] = parts.y;
  }
};

// What a warp keeps of the input, kHeld units: x, and what a norm multiplies it by.
template <int kHeld>
struct HeldUnits {
  float gains[kHeld][2], values[kHeld][2];

  __device__ __forceinline__ void load_gains(const OneArgs& a, const UnitLane& own) {
    const int warp = static_cast<int>(threadIdx.x) >> 5;
#pragma unroll
    for (int i = 0; i < kHeld; ++i) {
      const int c = (warp + i * kWarps) * kUnit;
      const bool exists = c < a.columns && a.input.normed != nullptr && a.input.norm != nullptr;
      gains[i][0] = exists ? a.input.norm[c + own.column_0] + a.input.offset : 1.0f;
      gains[i][1] = exists ? a.input.norm[c + own.column_1] + a.input.offset : 1.0f;
    }
  }
  // What results are multiplied by, and the factor of the norm. Barriers of the block.
  __device__ __forceinline__ float prepare(const OneArgs& a, UnitLane& own, bool bf16, const Prepared& to, float* norm_factor) {
    const int warp = static_cast<int>(threadIdx.x) >> 5;
#pragma unroll
    for (int i = 0; i < kHeld; ++i) {
      const int c = (warp + i * kWarps) * kUnit;
      values[i][0] = c < a.columns ? a.input.x[c + own.column_0] : 0.0f;
      values[i][1] = c < a.columns ? a.input.x[c + own.column_1] : 0.0f;
    }
    if (a.input.normed != nullptr) {
      *norm_factor = norm_factor_of(a);
#pragma unroll
      for (int i = 0; i < kHeld; ++i)
#pragma unroll
        for (int j = 0; j < 2; ++j) values[i][j] = values[i][j] * *norm_factor * gains[i][j];
    }
    float largest = 0;
#pragma unroll
    for (int i = 0; i < kHeld; ++i) largest = fmaxf(largest, fmaxf(fabsf(values[i][0]), fabsf(values[i][1])));
    const int exponent = input_exponent(block_max(largest));
    own.scale_by(ldexpf(1.0f, exponent));
#pragma unroll
    for (int i = 0; i < kHeld; ++i)
      if (warp + i * kWarps < a.chunks * kChunkUnits) to.put(own, warp + i * kWarps, values[i][0], values[i][1], bf16);
    return result_factor(exponent, bf16);
  }
};

// The same for rows too long to keep.
__device__ float prepare_long(const OneArgs& a, UnitLane& own, bool bf16, const Prepared& to, float* norm_factor) {
  const int warp = static_cast<int>(threadIdx.x) >> 5;
  if (a.input.normed != nullptr) *norm_factor = norm_factor_of(a);
  const float factor = *norm_factor;
  float largest = 0;
#pragma unroll 8
  for (int c = static_cast<int>(threadIdx.x); c < a.columns; c += kThreads)
    largest = fmaxf(largest, fabsf(input_value(a.input, factor, c)));
  const int exponent = input_exponent(block_max(largest));
  own.scale_by(ldexpf(1.0f, exponent));
#pragma unroll 4
  for (int u = warp; u < a.chunks * kChunkUnits; u += kWarps)
    to.put(own, u, input_value(a.input, factor, u * kUnit + own.column_0), input_value(a.input, factor, u * kUnit + own.column_1), bf16);
  return result_factor(exponent, bf16);
}

constexpr int kShort = 4, kLong = 14;  // units that a warp can keep, of rows of 4096 and of 14336

// --- weights

// Where a warp's weights come from, and how its lanes bring a chunk of them to a stage.
template <int kBits>
struct OneRows {
  using S = Stage<kBits, 1>;
  static constexpr int kPieces = S::kRowBytes / 16;
  const std::byte *low_codes, *high_codes;  // of the first row of a half
  const std::byte* params;                  // of the row that this lane brings: scales for the lower half of a warp, biases for the upper
  int from[kBits];                          // bytes from the first row of the half
  int param_bytes;                          // of a chunk

  __device__ __forceinline__ OneRows(const Matrices& w) : param_bytes(kChunkColumns / w.group * 2) {
    const int lane = static_cast<int>(threadIdx.x) & 31;
#pragma unroll
    for (int i = 0; i < kBits; ++i) {
      const int index = lane + 32 * i;
      from[i] = (index / kPieces & 7) * static_cast<int>(w.row_pitch) + index % kPieces * 16;
    }
  }
  __device__ __forceinline__ void open(const OneArgs& a, int tile) {
    const int lane = static_cast<int>(threadIdx.x) & 31, half = lane >> 3 & 1;
    int first_tile = 0;
    const bool gated = a.follower.gated != nullptr;
    const int m = gated ? 0 : map_index(a, tile, &first_tile);
    const int row = gated ? 8 * tile : 16 * (tile - first_tile), second = gated ? row : row + 8;
    const Matrices &low = a.maps[m].w, &high = a.maps[gated ? 1 : m].w, &mine = half != 0 ? high : low;
    low_codes = low.codes + row * low.row_pitch;
    high_codes = high.codes + second * high.row_pitch;
    params = (lane & 16 ? mine.biases : mine.scales) + ((half != 0 ? second : row) + (lane & 7)) * mine.param_pitch;
  }
  __device__ __forceinline__ void fetch(int chunk, std::uint32_t stage) const {
    const int lane = static_cast<int>(threadIdx.x) & 31, begin = chunk * S::kRowBytes;
#pragma unroll
    for (int i = 0; i < kBits; ++i) {
      const int index = lane + 32 * i;
      const bool high = 2 * i + 1 < kBits ? false : 2 * i >= kBits ? true : lane >= 16;  // index >= 8 kPieces
      copy_piece(stage + index / kPieces * S::kPitch + index % kPieces * 16, (high ? high_codes : low_codes) + (from[i] + begin));
    }
    const std::uint32_t to = stage + S::kParams + lane * 16;
    if (param_bytes == 8)
      copy_params<8>(to, params + chunk * 8);
    else
      copy_params<4>(to, params + chunk * 4);
  }
};

__device__ __forceinline__ void load_matrices(std::uint32_t at, std::uint32_t (&out)[4]) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
               : "r"(at)
               : "memory");
}

// The packed codes of a half of one unit, of rows g and g + 8.
template <int kBits>
struct UnitWords {
  Words<kBits> low[2], high[2];

  __device__ __forceinline__ void load(const std::byte* stage, std::uint32_t stage_at, int u) {
    using S = Stage<kBits, 1>;
    const int lane = static_cast<int>(threadIdx.x) & 31, g = lane >> 2, t = lane & 3;
    if constexpr (kBits == 4) {  // four matrices of 8 rows of 16 bytes: the halves of the tile, for both halves of the unit
      std::uint32_t words[4];
      load_matrices(stage_at + (lane & 15) * S::kPitch + (2 * u + (lane >> 4)) * 16, words);
#pragma unroll
      for (int s = 0; s < 2; ++s) low[s].low = words[2 * s], high[s].low = words[2 * s + 1];
    } else {
#pragma unroll
      for (int s = 0; s < 2; ++s) {
        low[s].load(reinterpret_cast<const std::uint32_t*>(stage + g * S::kPitch), u, s, t);
        high[s].load(reinterpret_cast<const std::uint32_t*>(stage + (g + 8) * S::kPitch), u, s, t);
      }
    }
  }
};

// Scale u of a chunk's four, as it is multiplied (fast_tiles.cuh, scale_of).
template <bool kBf16>
__device__ __forceinline__ float chunk_scale(const uint2& scales, int u) {
  const std::uint32_t word = u < 2 ? scales.x : scales.y;
  if constexpr (kBf16) return __uint_as_float(u % 2 == 0 ? word << 16 : word & 0xffff0000u);
  return scale_of(static_cast<std::uint16_t>(u % 2 == 0 ? word & 0xffffu : word >> 16), false);
}

// y[0], y[1]: the sums of rows g and g + 8. All eight columns of a tile are the one input.
template <int kBits, bool kBf16>
__device__ __forceinline__ void multiply_chunk(const std::byte* stage, std::uint32_t stage_at, bool wide_groups, const uint4* values,
                                               const std::uint32_t* sums, float (&y)[2]) {
  using S = Stage<kBits, 1>;
  const int lane = static_cast<int>(threadIdx.x) & 31, g = lane >> 2, t = lane & 3;
  const std::byte* params = stage + S::kParams + g * 16;
  uint2 low_scales = *reinterpret_cast<const uint2*>(params), high_scales = *reinterpret_cast<const uint2*>(params + 8 * 16);
  if (wide_groups) {  // two scales for four units
    low_scales = {__byte_perm(low_scales.x, 0, 0x1010), __byte_perm(low_scales.x, 0, 0x3232)};
    high_scales = {__byte_perm(high_scales.x, 0, 0x1010), __byte_perm(high_scales.x, 0, 0x3232)};
  }
  const auto* biases = reinterpret_cast<const std::uint16_t*>(params + S::kRows * 16) + (wide_groups ? t >> 1 : t);
  float with_biases[4] = {y[0], y[0], y[1], y[1]};
  multiply_biases(with_biases, {biases[0] * 0x10001u, biases[8 * 8] * 0x10001u}, {sums[t], sums[kChunkUnits + t]}, kBf16);
  y[0] = with_biases[0], y[1] = with_biases[2];
  constexpr int kSide = 2;  // units side by side, since each is a chain of four products
#pragma unroll
  for (int u = 0; u < kChunkUnits; u += kSide) {
    UnitWords<kBits> words[kSide];
#pragma unroll
    for (int v = 0; v < kSide; ++v) words[v].load(stage, stage_at, u + v);
    float d[kSide][4] = {};
#pragma unroll
    for (int s = 0; s < 2; ++s)
#pragma unroll
      for (int v = 0; v < kSide; ++v) {
        const uint4 x = values[8 * (u + v) + 4 * s + t];
        std::uint32_t low[4], high[4];
        words[v].low[s].unpack(t, low);
        words[v].high[s].unpack(t, high);
        multiply_tile<false>(d[v], low[0], high[0], low[1], high[1], x.x, x.y);
        multiply_tile<false>(d[v], low[2], high[2], low[3], high[3], x.z, x.w);
      }
#pragma unroll
    for (int v = 0; v < kSide; ++v) {
      y[0] = fmaf(chunk_scale<kBf16>(low_scales, u + v), d[v][0], y[0]);
      y[1] = fmaf(chunk_scale<kBf16>(high_scales, u + v), d[v][2], y[1]);
    }
  }
}

// --- results

// Sums of the slices of a team's tiles: every warp of the team leaves its own, and one of them, another for each tile, puts the results.
constexpr int kBuffers = 4;
struct TeamSums {
  float parts[kBuffers][kSlices][16];
  std::uint64_t full[kBuffers], free[kBuffers];
};

// Results of a tile, by a warp; lanes below 16 have a row each. `before`: what the sum was.
__device__ __forceinline__ void put_tile(const OneArgs& a, int tile, float total, float factor, float before) {
  const int lane = static_cast<int>(threadIdx.x) & 31;
  if (a.follower.gated != nullptr) {
    const int row = 8 * tile + (lane & 7);
    const float of_first = result_of(a.maps[0], row, total, factor), of_second = result_of(a.maps[1], row, total, factor);
    const float value = lane < 8 ? of_first : of_second;
    const float other = __shfl_down_sync(~0u, value, 8);
    if (lane >= 8) return;
    a.maps[0].y.at[row] = value;
    a.maps[1].y.at[row] = other;
    a.follower.gated[row] = activated(a.follower.activation, value) * other;
    return;
  }
  if (lane >= 16) return;
  int first_tile = 0;
  const FastMap& map = a.maps[map_index(a, tile, &first_tile)];
  const int row = 16 * (tile - first_tile) + lane;
  const float value = result_of(map, row, total, factor);
  map.y.at[row] = value;
  if (a.follower.sum != nullptr) a.follower.sum[row] = __fadd_rn(before, value);
}

template <int kBits>
__global__ void __launch_bounds__(kThreads, 1) one_input(const __grid_constant__ OneArgs a) {
  using S = Stage<kBits, 1>;
  constexpr int kDepth = OneStages<kBits>::kDepth;
  extern __shared__ uint4 memory[];
  __shared__ TeamSums teams[kTeams];
  const int lane = static_cast<int>(threadIdx.x) & 31, warp = static_cast<int>(threadIdx.x) >> 5;
  const int team = warp / kSlices, slice = warp % kSlices;
  const std::byte* stages = reinterpret_cast<const std::byte*>(memory) + warp * kDepth * S::kBytes;
  const std::uint32_t stages_at = shared_address(stages);
  auto* values = reinterpret_cast<uint4*>(reinterpret_cast<std::byte*>(memory) + OneStages<kBits>::kBytes);
  const Prepared input{values, reinterpret_cast<std::uint32_t*>(values + a.chunks * (kChunkColumns / 8))};
  const int n_tiles = a.tiles_end[a.n_maps - 1], step = kTeams * static_cast<int>(gridDim.x);
  const int length = (a.chunks + kSlices - 1) / kSlices, begin = slice * length, end = min(begin + length, a.chunks);
  let_next_start();

  // What is fetched next: a chunk of a tile, maybe of a later one than is computed.
  const int first = team * static_cast<int>(gridDim.x) + static_cast<int>(blockIdx.x);
  int fetch_tile = first, fetch_chunk = begin;
  OneRows<kBits> rows(a.maps[0].w);
  if (fetch_tile < n_tiles) rows.open(a, fetch_tile);
  const auto fetch_next = [&](int stage) {
    if (begin < end && fetch_tile < n_tiles) {
      rows.fetch(fetch_chunk, stages_at + stage * S::kBytes);
      if (++fetch_chunk == end) {
        fetch_chunk = begin;
        fetch_tile += step;
        if (fetch_tile < n_tiles) rows.open(a, fetch_tile);
      }
    }
    commit_copies();
  };
#pragma unroll
  for (int i = 0; i < kDepth; ++i) fetch_next(i);
  if (threadIdx.x == 0) {
    for (TeamSums& of : teams)
      for (int i = 0; i < kBuffers; ++i) {
        barrier_init(shared_address(&of.full[i]), kSlices);
        barrier_init(shared_address(&of.free[i]), 1);
      }
    barrier_inits_done();
  }
  const bool bf16 = a.maps[0].w.param == DType::bf16, wide_groups = a.maps[0].w.group == 128;
  const int units_of_warp = (a.chunks * kChunkUnits + kWarps - 1) / kWarps;
  if (a.input.normed != nullptr && a.input.norm != nullptr)
    for (int c = 32 * static_cast<int>(threadIdx.x); c < a.columns; c += 32 * kThreads)
      asm volatile("prefetch.global.L2 [%0];" ::"l"(a.input.norm + c));
  UnitLane own(kBits);
  float norm_factor = 1, factor = 1;
  if (units_of_warp <= kShort) {
    HeldUnits<kShort> held;
    wait_for_previous();  // until here only weights were read
    held.load_gains(a, own);
    factor = held.prepare(a, own, bf16, input, &norm_factor);
  } else {
    wait_for_previous();
    factor = units_of_warp <= kLong && a.input.normed == nullptr ? HeldUnits<kLong>().prepare(a, own, bf16, input, &norm_factor)
                                                                 : prepare_long(a, own, bf16, input, &norm_factor);
  }
  __syncthreads();

  TeamSums& sums = teams[team];
  // A warp puts the results of a tile behind its part of the next one, when the others have long left their sums.
  int owed_tile = -1, owed_index = 0;
  float before = 0;
  const auto put_owed = [&] {
    if (owed_tile < 0) return;
    const int buffer = owed_index % kBuffers;
    barrier_wait(shared_address(&sums.full[buffer]), static_cast<std::uint32_t>((owed_index / kBuffers) & 1));
    float total = 0;
#pragma unroll
    for (int s = 0; s < kSlices; ++s) total += sums.parts[buffer][s][lane & 15];
    __syncwarp();
    if (lane == 0) barrier_arrive(shared_address(&sums.free[buffer]));
    put_tile(a, owed_tile, total, factor, before);
    owed_tile = -1;
  };
  int at = 0, index = 0;
  for (int tile = first; tile < n_tiles; tile += step, ++index) {
    float y[2] = {};
    for (int chunk = begin; chunk < end; ++chunk) {
      wait_for_copies<kDepth - 1>();
      __syncwarp();
      const std::byte* stage = stages + at * S::kBytes;
      const std::uint32_t stage_at = stages_at + at * S::kBytes;
      const uint4* x = input.values + chunk * (kChunkColumns / 8);
      const std::uint32_t* x_sums = input.sums + chunk * 2 * kChunkUnits;
      if (bf16)
        multiply_chunk<kBits, true>(stage, stage_at, wide_groups, x, x_sums, y);
      else
        multiply_chunk<kBits, false>(stage, stage_at, wide_groups, x, x_sums, y);
      __syncwarp();
      fetch_next(at);
      at = at + 1 == kDepth ? 0 : at + 1;
    }
    const int buffer = index % kBuffers;
    if (index >= kBuffers) barrier_wait(shared_address(&sums.free[buffer]), static_cast<std::uint32_t>((index / kBuffers - 1) & 1));
    if ((lane & 3) == 0) {
      sums.parts[buffer][slice][lane >> 2] = y[0];
      sums.parts[buffer][slice][8 + (lane >> 2)] = y[1];
    }
    __syncwarp();
    if (lane == 0) barrier_arrive(shared_address(&sums.full[buffer]));
    put_owed();
    if (index % kSlices == slice) {
      owed_tile = tile;
      owed_index = index;
      if (a.follower.sum != nullptr && lane < 16) before = a.follower.sum[16 * tile + lane];  // of one map
    }
  }
  put_owed();
  if (a.input.normed != nullptr && blockIdx.x + 1 == gridDim.x)
    for (int c = static_cast<int>(threadIdx.x); c < a.columns; c += kThreads) a.input.normed[c] = input_value(a.input, norm_factor, c);
}

template <int kBits>
void launch_one(OneArgs& a, int multiprocessors, Stream stream) {
  [[maybe_unused]] static const bool sized = [] {
    constexpr int kMost = OneStages<kBits>::kBytes + input_bytes(kMostOneColumns / kChunkColumns);
    return cudaFuncSetAttribute(one_input<kBits>, cudaFuncAttributeMaxDynamicSharedMemorySize, kMost) == cudaSuccess;
  }();
  const int tiles = a.tiles_end[a.n_maps - 1];
  launch_beside(one_input<kBits>, dim3(static_cast<unsigned>(tiles < multiprocessors ? tiles : multiprocessors)), dim3(kThreads),
                static_cast<std::size_t>(OneStages<kBits>::kBytes + input_bytes(a.chunks)), stream, a);
}

}  // namespace

bool one_supports(const FastMap* maps, int n_maps, bool gated) {
  if (!kernels_overlap || !wide_supported()) return false;  // Hopper's shared memory and barriers
  if (gated && (n_maps != 2 || maps[0].w.rows != maps[1].w.rows)) return false;
  for (int m = 0; m < n_maps; ++m) {
    const Matrices& w = maps[m].w;
    // Whole chunks, enough of them that few of the eight warps of a team have nothing to do.
    if (w.group == 32 || w.columns % kChunkColumns != 0 || w.columns <= 4 * kChunkColumns || w.columns > kMostOneColumns) return false;
    if (w.rows % (gated ? 8 : 16) != 0 || w.row_pitch > (1 << 24)) return false;
  }
  return true;
}

void linear_one(const FastMap* maps, int n_maps, const OneInput& input, const OneFollower& follower, int multiprocessors, Stream stream) {
  OneArgs a = {};
  int tiles = 0;
  for (int m = 0; m < n_maps; ++m) {
    a.maps[m] = maps[m];
    tiles += static_cast<int>(maps[m].w.rows / 16);
    a.tiles_end[m] = tiles;
  }
  if (follower.gated != nullptr) a.tiles_end[n_maps - 1] = static_cast<int>(maps[0].w.rows / 8);
  a.n_maps = n_maps;
  a.input = input;
  a.follower = follower;
  a.columns = static_cast<int>(maps[0].w.columns);
  a.chunks = a.columns / kChunkColumns;
  a.norm_threads = static_cast<int>(norm_threads(a.columns));
  codec::with_width(maps[0].w.bits, [&]<int kBits>() { launch_one<kBits>(a, multiprocessors, stream); });
}

}  // namespace jang::kernels::cuda
