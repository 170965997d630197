// SPDX-License-Identifier: Apache-2.0
// Packed maps of many inputs: tiles of 128 rows of weights and up to 128 inputs. Two warpgroups multiply 64 rows each, from packed codes
// that a warp turns into fragments in registers, once for all inputs of the tile. Of the other four warps one brings inputs by bulk copies,
// one brings weights, and two write results while the next tile is multiplied. A block goes from tile to tile.
//
// The order of sums is that of linear_fast.cu: of a chunk of 256 columns first biases times sums of x, then unit by unit (of groups of 32:
// half by half) y += scale * product, the product from zero on in steps of 16 columns; chunks in order inside a slice, slices in order. A
// warpgroup's products have the bits of mma.sync, which tests compare.
// Inputs are taken in two parts, so that the tensor cores have the one while the multiply-adds of the other are done.
#include "kernels/cuda/linear_wide.h"

#include "codec/dispatch.h"
#include "kernels/cuda/wide_tiles.cuh"

namespace jang::kernels::cuda {

namespace {

// Brings the inputs of every tile of the block: a warp, of which one thread does it.
template <typename S>
__device__ void bring_inputs(const FastArgs& a, std::uint32_t memory, int n_tiles, int chunks) {
  const WideBarriers<S> barriers(memory);
  const auto* values = static_cast<const std::byte*>(a.inputs.values);
  const auto* sums = static_cast<const std::byte*>(a.inputs.sums);
  std::uint32_t phase = 1;
  for (int tile = first_tile<S>(a, n_tiles); tile < n_tiles; tile = next_tile<S>(a, tile, n_tiles)) {
    const InputGroup group = inputs_of<S>(a, tile);
    if ((threadIdx.x & 31) != 0) continue;
    const int rows = static_cast<int>(min(static_cast<std::int64_t>(S::kInputs), a.inputs.rows - group.base));
    const int sum_bytes = rows / kRowGroup * kSumWords * 4;
    for (int chunk = 0; chunk < chunks; ++chunk, phase ^= 1)
#pragma unroll
      for (int u = 0; u < kChunkUnits; ++u) {
        const std::uint32_t barrier = barriers.inputs(u);
        barrier_wait_idly(barriers.free(barrier), phase, 64);
        barrier_arrive_expecting(barrier, rows * 128 + (u == 0 ? S::kUnitSteps * sum_bytes : 0));
        const std::int64_t from = (static_cast<std::int64_t>(chunk) * kChunkUnits + u) * a.inputs.rows + group.base;
        copy_bulk(memory + u * S::kUnitBytes, values + from * 128, rows * 128, barrier);
        for (int h = 0; u == 0 && h < S::kUnitSteps; ++h) {
          const std::int64_t row = (static_cast<std::int64_t>(chunk) * S::kUnitSteps + h) * a.inputs.rows + group.base;
          copy_bulk(memory + S::kSums + h * S::kSumBytes, sums + row / kRowGroup * kSumWords * 4, sum_bytes, barrier);
        }
      }
  }
}

// Fetches a chunk of the rows of a tile into a stage, by a warp. Rows that do not exist, and codes behind the end of a row, are not
// fetched: what lies there meets results that nobody writes, or inputs that are zero. Scales and biases there become zero. (Bulk copies of
// a row each took more than twice the time.)
template <typename S>
__device__ __forceinline__ void fetch_codes(const Matrices& w, const std::byte* codes, int rows, int chunk, std::uint32_t stage) {
  using Staged = Stage<S::kBits, kRowWarps>;
  constexpr int kPieces = Staged::kRowBytes / 16, kLanes = kPieces <= 4 ? 4 : kPieces <= 8 ? 8 : 16;  // of a row
  const int lane = static_cast<int>(threadIdx.x) & 31, piece = lane % kLanes, begin = chunk * Staged::kRowBytes + piece * 16;
  if (piece >= kPieces || begin >= static_cast<int>(w.columns) / 32 * 4 * S::kBits) return;
  const std::byte* from = codes + lane / kLanes * w.row_pitch + begin;
  std::uint32_t to = stage + lane / kLanes * Staged::kPitch + piece * 16;
#pragma unroll 4
  for (int r = lane / kLanes; r < rows; r += 32 / kLanes) {
    copy_async<16>(to, from, 16);
    from += 32 / kLanes * w.row_pitch;
    to += 32 / kLanes * Staged::kPitch;
  }
}
template <typename S, int kSize>
__device__ __forceinline__ void fetch_params(const Matrices& w, const std::byte* plane, int rows, int chunk, std::uint32_t to) {
  const int lane = static_cast<int>(threadIdx.x) & 31, offset = chunk * kSize;
  const int valid = max(0, min(kSize, static_cast<int>(w.columns) / w.group * 2 - offset));
  const std::byte* from = plane + lane * w.param_pitch + (valid > 0 ? offset : 0);
#pragma unroll 4
  for (int r = lane; r < rows; r += 32, from += 32 * w.param_pitch) copy_async<kSize>(to + r * 16, from, valid);
}

// Brings the weights of every tile of the block, chunk by chunk, by a warp.
template <typename S>
__device__ void bring_weights(const FastArgs& a, std::uint32_t memory, int n_tiles, int chunks) {
  using Staged = Stage<S::kBits, kRowWarps>;
  const WideBarriers<S> barriers(memory);
  WideRing<S> ring(1);
  for (int tile = first_tile<S>(a, n_tiles); tile < n_tiles; tile = next_tile<S>(a, tile, n_tiles)) {
    const WideTile at = wide_tile<S>(a, tile);
    const Matrices& w = at.map->w;
    const int rows = min(kWideRows, static_cast<int>(w.rows) - at.row0);
    const std::byte* codes = w.codes + at.group.expert * w.matrix_bytes + at.row0 * w.row_pitch;
    const std::int64_t params = at.group.expert * w.param_bytes + at.row0 * w.param_pitch;
    for (int chunk = 0; chunk < chunks; ++chunk, ring.next()) {
      const std::uint32_t barrier = barriers.weights(ring.at), stage = memory + S::kWeights + ring.at * S::kStageBytes;
      barrier_wait_idly(barriers.free(barrier), ring.phase, 64);
      fetch_codes<S>(w, codes, rows, chunk, stage);
#pragma unroll 1
      for (int biases = 0; biases < 2; ++biases) {
        const std::byte* plane = (biases ? w.biases : w.scales) + params;
        const std::uint32_t to = stage + Staged::kParams + biases * Staged::kRows * 16;
        if constexpr (S::kHalves)
          fetch_params<S, 16>(w, plane, rows, chunk, to);
        else if (w.group == 64)
          fetch_params<S, 8>(w, plane, rows, chunk, to);
        else
          fetch_params<S, 4>(w, plane, rows, chunk, to);
      }
      barrier_arrive_behind_copies(barrier);
    }
  }
}

// Writes results of inputs 8 j + 2 t and the next one, of all rows of the tile.
template <typename S, bool kPlain>
__device__ __forceinline__ void write_inputs(const FastArgs& a, const WideTile& at, const float4* totals, int j) {
  const FastMap& map = *at.map;
  const int lane = static_cast<int>(threadIdx.x) & 31, g = lane >> 2, t = lane & 3;
  const int input = at.group.base + 8 * j + 2 * t, end = at.group.first + at.group.count;
  const int row0 = at.row0 + g, rows = static_cast<int>(map.w.rows) - row0;
  const bool has[2] = {input >= at.group.first && input < end, input + 1 >= at.group.first && input + 1 < end};
  const float factors[2] = {has[0] ? a.inputs.factors[input] : 0, has[1] ? a.inputs.factors[input + 1] : 0};
  float* y[2] = {map.y.at + input * map.y.stride + row0, map.y.at + (input + 1) * map.y.stride + row0};
#pragma unroll(kPlain ? 8 : 1)
  for (int warp = 0; warp < kRowWarps; ++warp) {
    const float4 four = totals[(j * kRowWarps + warp) * 32 + lane];
    const float values[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const int row = 16 * warp + (k >> 1) * 8;
      if (row >= rows || !has[k & 1]) continue;
      y[k & 1][row] = kPlain ? values[k] * factors[k & 1] : result_of(map, row0 + row, values[k], factors[k & 1]);
    }
  }
}

// Writes the results of every tile of the block, by kWriters warps.
template <typename S>
__device__ void write_tiles(const FastArgs& a, const std::byte* wide_memory, int n_tiles) {
  const WideBarriers<S> barriers(shared_address(wide_memory));
  const auto* totals = reinterpret_cast<const float4*>(wide_memory + S::kTotals);
  const int writer = (static_cast<int>(threadIdx.x) >> 5) - kRowWarps - 2;
  std::uint32_t phase = 0;
  for (int tile = first_tile<S>(a, n_tiles); tile < n_tiles; tile = next_tile<S>(a, tile, n_tiles), phase ^= 1) {
    const WideTile at = wide_tile<S>(a, tile);
    const bool plain = at.map->bias == nullptr && at.map->softcap == 0;
    barrier_wait_idly(barriers.results(), phase, 1000);
    for (int j = writer; j < S::kInputs / 8; j += kWriters) {
      if (plain)
        write_inputs<S, true>(a, at, totals, j);
      else
        write_inputs<S, false>(a, at, totals, j);
    }
    arrive_as_warp(barriers.free(barriers.results()));
  }
}

// The work of a warp that multiplies.
template <typename S>
__device__ __forceinline__ void multiply_tiles(const FastArgs& a, std::byte* wide_memory, int n_tiles, int chunks) {
  const int length = (chunks + kSlices - 1) / kSlices;
  const WidePlace<S> place(a, wide_memory);
  int tile = first_tile<S>(a, n_tiles);
  if (tile >= n_tiles) return;
  WideRing<S> ring(0);
  WideSums<S> sums;
  typename WideWeights<S>::Params params;
  typename WideWeights<S>::Step step[2];
  {
    typename WideWeights<S>::Raw raw;
    barrier_wait(place.barriers.weights(0), 0);
    const WideWeights<S> weights = place.weights(0);
    weights.load(params);
    weights.load(0, raw);
    weights.unpack(0, raw, params, step[0]);
  }
  WideChunk at = {};
  at.results_phase = 1;
  while (tile < n_tiles) {
    const int next = next_tile<S>(a, tile, n_tiles);
    int left = length;
    for (int chunk = 0; chunk < chunks; ++chunk, at.inputs_phase ^= 1) {
      at.begins = left == length;
      at.ends = --left == 0 || chunk + 1 == chunks;
      at.first_slice = chunk < length;
      at.last = next >= n_tiles && chunk + 1 == chunks;
      multiply_chunk<S>(at, place, ring, params, step, sums);
      if (left == 0) left = length;
    }
    at.results_phase ^= 1;
    arrive_as_warp(place.barriers.results());
    tile = next;
  }
}

template <typename S>
__global__ void __launch_bounds__(kWideThreads, 1) wide_inputs(const __grid_constant__ FastArgs a) {
#if JANG_HAS_WARPGROUPS
  extern __shared__ __align__(1024) std::byte wide_memory[];
  const int warp = static_cast<int>(threadIdx.x) >> 5;
  const std::uint32_t memory = shared_address(wide_memory);
  const int n_tiles = a.n_groups * a.tiles_end[a.n_maps - 1];
  const int chunks = (static_cast<int>(a.maps[0].w.columns) + kChunkColumns - 1) / kChunkColumns;
  let_next_start();
  if (a.columns.begin != nullptr) wait_for_previous();
  if (threadIdx.x == 0) WideBarriers<S>(memory).init();
  __syncthreads();
  // Of 65,536 registers, 128 threads take 56 each and 256 take 224.
  if (warp >= kRowWarps) {
    give_registers<56>();
    if (warp == kRowWarps + 1) return bring_weights<S>(a, memory, n_tiles, chunks);  // which no kernel writes
    wait_for_previous();
    if (warp == kRowWarps)
      bring_inputs<S>(a, memory, n_tiles, chunks);
    else
      write_tiles<S>(a, wide_memory, n_tiles);
  } else {
    take_registers<224>();
    multiply_tiles<S>(a, wide_memory, n_tiles, chunks);
  }
#endif
}

int processors() {
  static const int n = [] {
    int device = 0, count = 0;
    cudaGetDevice(&device);
    cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device);
    return count > 0 ? count : 1;
  }();
  return n;
}

template <typename S>
void launch_wide(FastArgs& a, std::int64_t row_tiles, Stream stream) {
  a.n_groups = static_cast<int>(group_count<kRowGroup>(a.columns, S::kInputs));
  cudaFuncSetAttribute(wide_inputs<S>, cudaFuncAttributeMaxDynamicSharedMemorySize, S::kBytes);
  const std::int64_t tiles = row_tiles * a.n_groups;
  launch(wide_inputs<S>, dim3(static_cast<unsigned>(tiles < processors() ? tiles : processors())), dim3(kWideThreads), S::kBytes, stream,
         a);
}

template <int kBits, bool kBf16>
void launch_wide(FastArgs& a, std::int64_t row_tiles, Stream stream) {
  // Inputs a tile: as many as a matrix has, and as leave most multiprocessors a tile.
  const std::int64_t each = a.columns.begin == nullptr ? a.columns.n : a.columns.n / a.columns.experts;
  const auto suits = [&](int inputs) {
    return each > inputs / 2 && row_tiles * ((a.columns.n + inputs - 1) / inputs) >= processors() * 3 / 4;
  };
  if (a.inputs.plan.halves) return launch_wide<WideShape<kBits, 64, true, kBf16>>(a, row_tiles, stream);
  if (suits(128)) return launch_wide<WideShape<kBits, 128, false, kBf16>>(a, row_tiles, stream);
  if (suits(64)) return launch_wide<WideShape<kBits, 64, false, kBf16>>(a, row_tiles, stream);
  launch_wide<WideShape<kBits, 32, false, kBf16>>(a, row_tiles, stream);
}

}  // namespace

bool wide_supported() {
#if defined(JANG_CUDA_WARPGROUPS)
  static const bool supported = [] {
    int device = 0, major = 0, minor = 0;
    cudaGetDevice(&device);
    cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
    cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device);
    return major == 9 && minor == 0;
  }();
  return supported;
#else
  return false;
#endif
}

void linear_wide(FastArgs& a, Stream stream) {
  std::int64_t tiles = 0;
  for (int m = 0; m < a.n_maps; ++m) {
    tiles += (a.maps[m].w.rows + kWideRows - 1) / kWideRows;
    a.tiles_end[m] = static_cast<int>(tiles);
  }
  codec::with_width(a.maps[0].w.bits, [&]<int kBits>() {
    if (a.inputs.plan.bf16)
      launch_wide<kBits, true>(a, tiles, stream);
    else
      launch_wide<kBits, false>(a, tiles, stream);
  });
}

}  // namespace jang::kernels::cuda
