// SPDX-License-Identifier: Apache-2.0
// A step of decoding reads every weight once, for one input. The kernel of few inputs (linear_fast.cu) has the order of sums, which this one
// keeps bit for bit; what differs:
//   - a multiprocessor has one block of two teams of eight warps, a warp per slice of the columns. It holds half of the registers and of
//     the shared memory at most, so that the next map's blocks bring their first weights while this one's still multiply.
//   - the block prepares the input for itself, in shared memory: norm, scaling, float16, sums of units. Each block repeats that work,
//     which takes less time than a kernel in between.
//   - a tile is two halves of eight rows. Those of a gated unit are eight rows of the gate and the same eight of the other map, so that
//     one lane has both results.
#include "kernels/cuda/linear_one.h"

#include "codec/dispatch.h"
#include "kernels/cuda/activation.cuh"
#include "kernels/cuda/fast_map.cuh"
#include "kernels/cuda/launch_beside.cuh"
#include "kernels/cuda/rows.h"
#include "kernels/cuda/unit_inputs.cuh"
#include "kernels/cuda/warpgroup.cuh"

namespace jang::kernels::cuda {
namespace {

constexpr int kMostOneColumns = 28672;  // whose inputs fit beside the stages of every width
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

// The stages of a warp: as few as keep the memory busy, so that two blocks fit.
template <int kBits>
struct OneStages {
  using S = Stage<kBits, 1>;
  static constexpr int kDepth = kBits <= 3 ? 3 : 2;
  static constexpr int kBytes = kWarps * kDepth * S::kBytes;
};

// Shared memory behind the stages: values [unit][half][lane of a quad] 16 bytes, then sums [chunk][2][unit of the chunk].
__host__ __device__ constexpr int input_bytes(int chunks) { return chunks * (kChunkColumns * 2 + 2 * kChunkUnits * 4); }

// Barrier 0 is that of the block. Numbers are constants: a register would reserve all sixteen.
__device__ __forceinline__ void wait_for_team(int team) {
  if (team == 0)
    asm volatile("bar.sync 1, %0;" ::"n"(32 * kSlices) : "memory");
  else
    asm volatile("bar.sync 2, %0;" ::"n"(32 * kSlices) : "memory");
}

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

// Prepares the input in shared memory; what results are multiplied by. Barriers of the block.
__device__ float prepare_input(const OneArgs& a, float norm_factor, int bits, bool bf16, uint4* values, std::uint32_t* sums) {
  const int thread = static_cast<int>(threadIdx.x), lane = thread & 31, warp = thread >> 5;
  const auto value = [&](int c) { return input_value(a.input, norm_factor, c); };
  float largest = 0;
#pragma unroll 8
  for (int c = thread; c < a.columns; c += kThreads) largest = fmaxf(largest, fabsf(value(c)));
  const int exponent = input_exponent(block_max(largest));
  const UnitLane own(bits, ldexpf(1.0f, exponent));
  auto* words = reinterpret_cast<std::uint32_t*>(values);
#pragma unroll 4
  for (int u = warp; u < a.chunks * kChunkUnits; u += kWarps) {
    const int c = u * kUnit;
    float sum = 0;
    const std::uint32_t word = own.make(value(c + own.column_0), value(c + own.column_1), &sum);
    sum += __shfl_xor_sync(~0u, sum, 16);
    words[u * 32 + own.half * 16 + 4 * own.t + own.pair] = word;
    if (lane == 0) {
      const uint2 parts = sum_parts(bf16, sum);
      std::uint32_t* to = sums + u / kChunkUnits * (2 * kChunkUnits) + u % kChunkUnits;
      to[0] = parts.x;
      to[kChunkUnits] = parts.y;
    }
  }
  __syncthreads();
  return result_factor(exponent, bf16);
}

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

// Codes of one unit, unpacked: of rows g and g + 8.
template <int kBits>
__device__ __forceinline__ void load_unit(const std::byte* stage, std::uint32_t stage_at, int u, std::uint32_t (&low)[8],
                                          std::uint32_t (&high)[8]) {
  using S = Stage<kBits, 1>;
  const int lane = static_cast<int>(threadIdx.x) & 31, g = lane >> 2, t = lane & 3;
  if constexpr (kBits == 4) {  // four matrices of 8 rows of 16 bytes: the halves of the tile, for both halves of the unit
    std::uint32_t words[4];
    load_matrices(stage_at + (lane & 15) * S::kPitch + (2 * u + (lane >> 4)) * 16, words);
#pragma unroll
    for (int s = 0; s < 2; ++s) {
      Words<4>{words[2 * s], 0}.unpack(t, low + 4 * s);
      Words<4>{words[2 * s + 1], 0}.unpack(t, high + 4 * s);
    }
  } else {
#pragma unroll
    for (int s = 0; s < 2; ++s) {
      Words<kBits> of_low, of_high;
      of_low.load(reinterpret_cast<const std::uint32_t*>(stage + g * S::kPitch), u, s, t);
      of_high.load(reinterpret_cast<const std::uint32_t*>(stage + (g + 8) * S::kPitch), u, s, t);
      of_low.unpack(t, low + 4 * s);
      of_high.unpack(t, high + 4 * s);
    }
  }
}

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
#pragma unroll
  for (int u = 0; u < kChunkUnits; ++u) {
    std::uint32_t low[8], high[8];
    load_unit<kBits>(stage, stage_at, u, low, high);
    float d[4] = {};
#pragma unroll
    for (int s = 0; s < 2; ++s) {
      const uint4 x = values[8 * u + 4 * s + t];
      multiply_tile<false>(d, low[4 * s], high[4 * s], low[4 * s + 1], high[4 * s + 1], x.x, x.y);
      multiply_tile<false>(d, low[4 * s + 2], high[4 * s + 2], low[4 * s + 3], high[4 * s + 3], x.z, x.w);
    }
    y[0] = fmaf(chunk_scale<kBf16>(low_scales, u), d[0], y[0]);
    y[1] = fmaf(chunk_scale<kBf16>(high_scales, u), d[2], y[1]);
  }
}

// --- results

// Results of a tile, by a warp; lanes below 16 have a row each. `before`: what the sum was.
__device__ __forceinline__ void put_tile(const OneArgs& a, int tile, float total, float factor, float before) {
  const int lane = static_cast<int>(threadIdx.x) & 31;
  if (a.follower.gated != nullptr) {
    const int row = 8 * tile + (lane & 7);
    const float value = lane < 16 ? result_of(a.maps[lane >> 3], row, total, factor) : 0.0f, other = __shfl_down_sync(~0u, value, 8);
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
__global__ void __launch_bounds__(kThreads, 2) one_input(const __grid_constant__ OneArgs a) {
  using S = Stage<kBits, 1>;
  constexpr int kDepth = OneStages<kBits>::kDepth;
  extern __shared__ uint4 memory[];
  __shared__ float parts[2][kWarps][16];
  const int lane = static_cast<int>(threadIdx.x) & 31, warp = static_cast<int>(threadIdx.x) >> 5;
  const int team = warp / kSlices, slice = warp % kSlices;
  const std::byte* stages = reinterpret_cast<const std::byte*>(memory) + warp * kDepth * S::kBytes;
  const std::uint32_t stages_at = shared_address(stages);
  auto* values = reinterpret_cast<uint4*>(reinterpret_cast<std::byte*>(memory) + OneStages<kBits>::kBytes);
  auto* sums = reinterpret_cast<std::uint32_t*>(values + a.chunks * (kChunkColumns / 8));
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
  if (a.input.normed != nullptr && a.input.norm != nullptr)
    for (int c = 32 * static_cast<int>(threadIdx.x); c < a.columns; c += 32 * kThreads)
      asm volatile("prefetch.global.L2 [%0];" ::"l"(a.input.norm + c));
  wait_for_previous();  // until here only weights were read

  const bool bf16 = a.maps[0].w.param == DType::bf16, wide_groups = a.maps[0].w.group == 128;
  const float norm_factor = a.input.normed != nullptr ? norm_factor_of(a) : 1.0f;
  const float factor = prepare_input(a, norm_factor, kBits, bf16, values, sums);
  int at = 0, buffer = 0;
  for (int tile = first; tile < n_tiles; tile += step, buffer ^= 1) {
    const bool puts_sum = slice == 0 && lane < 16 && a.follower.sum != nullptr;
    const float before = puts_sum ? a.follower.sum[16 * tile + lane] : 0.0f;  // of one map
    float y[2] = {};
    for (int chunk = begin; chunk < end; ++chunk) {
      wait_for_copies<kDepth - 1>();
      __syncwarp();
      const std::byte* stage = stages + at * S::kBytes;
      const std::uint32_t stage_at = stages_at + at * S::kBytes;
      const uint4* x = values + chunk * (kChunkColumns / 8);
      if (bf16)
        multiply_chunk<kBits, true>(stage, stage_at, wide_groups, x, sums + chunk * 2 * kChunkUnits, y);
      else
        multiply_chunk<kBits, false>(stage, stage_at, wide_groups, x, sums + chunk * 2 * kChunkUnits, y);
      __syncwarp();
      fetch_next(at);
      at = at + 1 == kDepth ? 0 : at + 1;
    }
    if ((lane & 3) == 0) {
      parts[buffer][warp][lane >> 2] = y[0];
      parts[buffer][warp][8 + (lane >> 2)] = y[1];
    }
    wait_for_team(team);
    if (slice != 0) continue;
    float total = 0;
#pragma unroll
    for (int s = 0; s < kSlices; ++s) total += parts[buffer][team * kSlices + s][lane & 15];
    put_tile(a, tile, total, factor, before);
  }
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
  if (!kernels_overlap) return false;  // Hopper's shared memory
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
