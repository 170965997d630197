// SPDX-License-Identifier: Apache-2.0
// A step of decoding reads every weight once, for one input. The kernel of few inputs (linear_fast.cu) has the order of sums, which this
// one keeps bit for bit; what differs:
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
#include "kernels/cuda/launch_beside.cuh"
#include "kernels/cuda/linear_wide.h"
#include "kernels/cuda/one_weights.cuh"
#include "kernels/cuda/rows.h"
#include "kernels/cuda/warpgroup.cuh"

namespace jang::kernels::cuda {
namespace {

// The stages of a warp, as many as fit beside the inputs.
template <int kBits>
struct OneStages {
  using S = Stage<kBits, 1>;
  static constexpr int kDepth = kBits == 2 ? 5 : kBits <= 4 ? 4 : kBits <= 6 ? 3 : 2;
  static constexpr int kBytes = kOneWarps * kDepth * S::kBytes;
};

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
__global__ void __launch_bounds__(kOneThreads, 1) one_input(const __grid_constant__ OneArgs a) {
  using S = Stage<kBits, 1>;
  constexpr int kDepth = OneStages<kBits>::kDepth;
  extern __shared__ uint4 memory[];
  __shared__ TeamSums teams[kOneTeams];
  const int lane = static_cast<int>(threadIdx.x) & 31, warp = static_cast<int>(threadIdx.x) >> 5;
  const int team = warp / kSlices, slice = warp % kSlices;
  const std::byte* stages = reinterpret_cast<const std::byte*>(memory) + warp * kDepth * S::kBytes;
  const std::uint32_t stages_at = shared_address(stages);
  auto* values = reinterpret_cast<uint4*>(reinterpret_cast<std::byte*>(memory) + OneStages<kBits>::kBytes);
  const Prepared input{values, reinterpret_cast<std::uint32_t*>(values + a.chunks * (kChunkColumns / 8))};
  const int n_tiles = a.tiles_end[a.n_maps - 1], step = kOneTeams * static_cast<int>(gridDim.x);
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
  const int units_of_warp = (a.chunks * kChunkUnits + kOneWarps - 1) / kOneWarps;
  if (a.input.normed != nullptr && a.input.norm != nullptr)
    for (int c = 32 * static_cast<int>(threadIdx.x); c < a.columns; c += 32 * kOneThreads)
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
    for (int c = static_cast<int>(threadIdx.x); c < a.columns; c += kOneThreads) a.input.normed[c] = input_value(a.input, norm_factor, c);
}

template <int kBits>
void launch_one(OneArgs& a, int multiprocessors, Stream stream) {
  [[maybe_unused]] static const bool sized = [] {
    constexpr int kMost = OneStages<kBits>::kBytes + input_bytes(kMostOneColumns / kChunkColumns);
    return cudaFuncSetAttribute(one_input<kBits>, cudaFuncAttributeMaxDynamicSharedMemorySize, kMost) == cudaSuccess;
  }();
  const int tiles = a.tiles_end[a.n_maps - 1];
  launch_beside(one_input<kBits>, dim3(static_cast<unsigned>(tiles < multiprocessors ? tiles : multiprocessors)), dim3(kOneThreads),
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
