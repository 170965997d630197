// SPDX-License-Identifier: Apache-2.0
// The parts of linear_wide.cu: shared memory and barriers of a block, its tiles, and what a warp that multiplies does with a chunk.
#pragma once

#include "kernels/cuda/fast_map.cuh"
#include "kernels/cuda/fast_tiles.cuh"
#include "kernels/cuda/warpgroup.cuh"

namespace jang::kernels::cuda {

constexpr int kRowWarps = 8, kWideRows = 16 * kRowWarps, kWriters = 2;
constexpr int kWideThreads = 32 * (kRowWarps + 2 + kWriters);
constexpr int kWideParts = 2;  // of the inputs of a tile

// What a kernel is made for, and its shared memory: inputs of the four units of a chunk, sums of x, results, stages of weights, barriers.
template <int kBits_, int kInputs_, bool kHalves_, bool kBf16_>
struct WideShape {
  static constexpr int kBits = kBits_, kInputs = kInputs_;
  static constexpr bool kHalves = kHalves_, kBf16 = kBf16_;
  static constexpr int kTiles = kInputs / (8 * kWideParts);  // of 8 inputs, of a part
  static constexpr int kValues = 4 * kTiles;                 // of a thread, of a part
  static constexpr int kUnitSteps = kHalves ? 2 : 1;         // a step is what a scale belongs to
  static constexpr int kSteps = kChunkUnits * kUnitSteps;
  static constexpr int kUnitBytes = kInputs * 128, kSumBytes = kInputs / kRowGroup * kSumWords * 4;  // of a chunk, of half
  static constexpr int kStageBytes = Stage<kBits, kRowWarps>::kBytes, kStages = kBits >= 5 ? 2 : 3;  // of weights
  static constexpr int kSums = kChunkUnits * kUnitBytes, kTotals = kSums + kUnitSteps * kSumBytes;
  static constexpr int kWeights = kTotals + kInputs * kWideRows * 4;
  static constexpr int kBarriers = kWeights + kStages * kStageBytes;
  static constexpr int kBytes = kBarriers + (2 * kChunkUnits + 2 + 2 * kStages) * 8;
  static_assert(kBytes <= 227 * 1024);  // what a block of Hopper can have
};

// Barriers of a block, in pairs: inputs of a unit, a stage of weights, results of a tile have come, are no longer needed.
template <typename S>
struct WideBarriers {
  std::uint32_t at;
  __device__ __forceinline__ explicit WideBarriers(std::uint32_t memory) : at(memory + S::kBarriers) {}
  __device__ __forceinline__ std::uint32_t inputs(int unit) const { return at + 16 * unit; }
  __device__ __forceinline__ std::uint32_t weights(int stage) const { return at + 16 * (kChunkUnits + 1 + stage); }
  __device__ __forceinline__ std::uint32_t results() const { return at + 16 * kChunkUnits; }
  static __device__ __forceinline__ std::uint32_t free(std::uint32_t barrier) { return barrier + 8; }
  __device__ __forceinline__ void init() const {
    for (int i = 0; i < kChunkUnits; ++i) init_pair(inputs(i), 1, kRowWarps);
    for (int i = 0; i < S::kStages; ++i) init_pair(weights(i), 32, kRowWarps);
    init_pair(results(), kRowWarps, kWriters);
    barrier_inits_done();
  }

 private:
  static __device__ __forceinline__ void init_pair(std::uint32_t barrier, int comes, int goes) {
    barrier_init(barrier, comes);
    barrier_init(free(barrier), goes);
  }
};
// One lane of a warp that has done what all of it had to.
__device__ __forceinline__ void arrive_as_warp(std::uint32_t barrier) {
  __syncwarp();
  if ((threadIdx.x & 31) == 0) barrier_arrive(barrier);
}
// Where a ring of stages of weights stands, and the parity of its round.
template <typename S>
struct WideRing {
  int at = 0;
  std::uint32_t phase;
  __device__ __forceinline__ explicit WideRing(std::uint32_t first) : phase(first) {}
  __device__ __forceinline__ void next() {
    if (++at < S::kStages) return;
    at = 0;
    phase ^= 1;
  }
};

// Tile `tile`: inputs of neighbouring tiles differ, so that weights are read from memory once.
struct WideTile {
  InputGroup group;
  const FastMap* map;
  int row0;
};
template <typename S>
__device__ __forceinline__ InputGroup inputs_of(const FastArgs& a, int tile) {
  return find_group<kRowGroup>(a.columns, tile % a.n_groups, S::kInputs);
}
template <typename S>
__device__ __forceinline__ WideTile wide_tile(const FastArgs& a, int tile) {
  WideTile w;
  int first_tile = 0;
  const int row_tile = tile / a.n_groups;
  w.group = inputs_of<S>(a, tile);
  w.map = &map_of(a, row_tile, &first_tile);
  w.row0 = (row_tile - first_tile) * kWideRows;
  return w;
}

// The first tile of the block behind `tile` that has inputs.
template <typename S>
__device__ __forceinline__ int next_tile(const FastArgs& a, int tile, int n_tiles) {
  do tile += static_cast<int>(gridDim.x);
  while (tile < n_tiles && inputs_of<S>(a, tile).count == 0);
  return tile;
}
template <typename S>
__device__ __forceinline__ int first_tile(const FastArgs& a, int n_tiles) {
  return next_tile<S>(a, static_cast<int>(blockIdx.x) - static_cast<int>(gridDim.x), n_tiles);
}

// A chunk of the weights in a stage as a warp reads it.
template <typename S>
struct WideWeights {
  static constexpr int kStepHalves = S::kHalves ? 1 : 2, kScaleWords = S::kSteps / 2;
  struct Params {  // of a chunk: scales of rows g and g + 8, two in a word; fragments of biases, of each half
    std::uint32_t scales[2][kScaleWords];
    uint2 biases[S::kUnitSteps];
  };
  struct Raw {  // words of a step
    Words<S::kBits> low[kStepHalves], high[kStepHalves];
  };
  struct Step {  // fragments of a step, and its scales
    std::uint32_t low[4 * kStepHalves], high[4 * kStepHalves];
    float scales[2];
  };
  StagedChunk<S::kBits, kRowWarps> from;
  int warp;

  __device__ __forceinline__ void load(Params& params) const {
#pragma unroll
    for (int h = 0; h < S::kUnitSteps; ++h) params.biases[h] = from.load_biases(warp, h);
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const auto* scales = reinterpret_cast<const std::uint32_t*>(from.params_of(warp, false, 8 * r));
      if constexpr (S::kHalves) {
        const uint4 v = *reinterpret_cast<const uint4*>(scales);
        params.scales[r][0] = v.x, params.scales[r][1] = v.y, params.scales[r][2] = v.z, params.scales[r][3] = v.w;
      } else {  // of groups of 128 each one stands for two units
        const uint2 v = *reinterpret_cast<const uint2*>(scales);
        params.scales[r][0] = from.group == 64 ? v.x : __byte_perm(v.x, 0, 0x1010);
        params.scales[r][1] = from.group == 64 ? v.y : __byte_perm(v.x, 0, 0x3232);
      }
    }
  }
  __device__ __forceinline__ void load(int i, Raw& raw) const {
#pragma unroll
    for (int s = 0; s < kStepHalves; ++s) from.load_half(warp, S::kHalves ? i >> 1 : i, S::kHalves ? i & 1 : s, raw.low[s], raw.high[s]);
  }
  __device__ __forceinline__ static void unpack(int i, const Raw& raw, const Params& params, Step& step) {
    const int t = static_cast<int>(threadIdx.x) & 3;
#pragma unroll
    for (int s = 0; s < kStepHalves; ++s) {
      raw.low[s].unpack(t, step.low + 4 * s);
      raw.high[s].unpack(t, step.high + 4 * s);
    }
    // All of it before the products begin: a fragment that is made between them would make them wait.
#pragma unroll
    for (int i = 0; i < 4 * kStepHalves; ++i) asm volatile("" : "+r"(step.low[i]), "+r"(step.high[i]));
#pragma unroll
    for (int r = 0; r < 2; ++r)
      step.scales[r] = scale_of(static_cast<std::uint16_t>(i & 1 ? params.scales[r][i / 2] >> 16 : params.scales[r][i / 2]), S::kBf16);
  }
};

// Sums of a thread: products of a step, and y. Those of the slices that are done lie in shared memory, [tile of 8 inputs][thread].
template <typename S>
struct WideSums {
  float d[kWideParts][S::kValues] = {}, y[kWideParts][S::kValues] = {};

  // Products of step `i` with a part of the inputs.
  template <typename Step>
  __device__ __forceinline__ void multiply(int part, int i, const Step& w, std::uint64_t inputs) {
    constexpr int kProducts = sizeof(w.low) / 8, kPartBytes = S::kUnitBytes / kWideParts;
    const std::uint64_t at = inputs + (i / S::kUnitSteps * S::kUnitBytes + part * kPartBytes) / 16 + i % S::kUnitSteps * 4;
#pragma unroll
    for (int k = 0; k < kProducts; ++k)
      product<S::kTiles>(d[part], make_uint4(w.low[2 * k], w.high[2 * k], w.low[2 * k + 1], w.high[2 * k + 1]), at + 2 * k, k > 0);
  }
  // y += bias * sum of x, or without `add` y = that.
  __device__ __forceinline__ void multiply_biases(int part, const uint2 (&biases)[S::kUnitSteps], std::uint64_t sums, bool add) {
    constexpr int kPartBytes = S::kSumBytes / kWideParts;
#pragma unroll
    for (int h = 0; h < S::kUnitSteps; ++h)
      product<S::kTiles, S::kBf16>(y[part], make_uint4(biases[h].x, biases[h].y, biases[h].x, biases[h].y),
                                   sums + (h * S::kSumBytes + part * kPartBytes) / 16, add || h > 0);
  }
  // y += scale * product
  __device__ __forceinline__ void add(int part, const float (&scales)[2]) {
    hold(d[part]);
    hold(y[part]);
#pragma unroll
    for (int i = 0; i < S::kValues; ++i) y[part][i] = fmaf(scales[i >> 1 & 1], d[part][i], y[part][i]);
  }
  // A slice ends; `first`: of the tile.
  __device__ __forceinline__ void flush(int part, float4* totals, bool first) const {
    float4* at = totals + part * S::kTiles * 32 * kRowWarps + threadIdx.x % (32 * kRowWarps);
    float4 sums[S::kTiles];
#pragma unroll
    for (int i = 0; i < S::kTiles; ++i) {
      sums[i] = make_float4(0, 0, 0, 0);
      if (!first) sums[i] = at[i * 32 * kRowWarps];
    }
#pragma unroll
    for (int i = 0; i < S::kTiles; ++i) {
      const float* of = y[part] + 4 * i;
      at[i * 32 * kRowWarps] = make_float4(sums[i].x + of[0], sums[i].y + of[1], sums[i].z + of[2], sums[i].w + of[3]);
    }
  }
};

// The place of a chunk.
struct WideChunk {
  bool begins, ends;  // its slice
  bool first_slice;   // of the tile
  bool last;          // of the block
  std::uint32_t inputs_phase, results_phase;
};

// Where a warp works: barriers, descriptors, the weights that are read.
template <typename S>
struct WidePlace {
  const FastArgs& a;
  std::byte* memory;
  std::uint32_t at;
  WideBarriers<S> barriers;
  __device__ __forceinline__ WidePlace(const FastArgs& args, std::byte* wide_memory)
      : a(args), memory(wide_memory), at(shared_address(wide_memory)), barriers(at) {}
  [[nodiscard]] __device__ __forceinline__ float4* totals() const { return reinterpret_cast<float4*>(memory + S::kTotals); }
  [[nodiscard]] __device__ __forceinline__ WideWeights<S> weights(int stage) const {
    return {{memory + S::kWeights + stage * S::kStageBytes, a.maps[0].w.group, S::kBf16}, static_cast<int>(threadIdx.x >> 5) % kRowWarps};
  }
};

// The weights of the chunk were read; goes to those of the next.
template <typename S>
__device__ __forceinline__ void next_weights(const WideChunk& at, const WidePlace<S>& place, WideRing<S>& ring,
                                             typename WideWeights<S>::Params& next) {
  arrive_as_warp(place.barriers.free(place.barriers.weights(ring.at)));
  ring.next();
  if (!at.last) barrier_wait(place.barriers.weights(ring.at), ring.phase);
  place.weights(ring.at).load(next);
}

template <typename S>
__device__ __forceinline__ void end_slice(const WideChunk& at, const WidePlace<S>& place, int part, const WideSums<S>& sums) {
  if (at.first_slice && part == 0) barrier_wait(place.barriers.free(place.barriers.results()), at.results_phase);
  sums.flush(part, place.totals(), at.first_slice);
}

// A chunk: while the tensor cores have one part of the inputs, the products of the other are added. `params` and `step[0]` are the
// chunk's, and become those of the next.
template <typename S>
__device__ __forceinline__ void multiply_chunk(const WideChunk& at, const WidePlace<S>& place, WideRing<S>& ring,
                                               typename WideWeights<S>::Params& params, typename WideWeights<S>::Step (&step)[2],
                                               WideSums<S>& sums) {
  using Weights = WideWeights<S>;
  const WideBarriers<S>& barriers = place.barriers;
  const std::uint64_t inputs = inputs_descriptor(place.at), sums_of_x = pieces_descriptor(place.at + S::kSums);
  typename Weights::Raw raw;
  typename Weights::Params next;
  barrier_wait(barriers.inputs(0), at.inputs_phase);
  products_begin();
  sums.multiply_biases(0, params.biases, sums_of_x, !at.begins);
  sums.multiply_biases(1, params.biases, sums_of_x, !at.begins);
#pragma unroll
  for (int i = 0; i < S::kSteps; ++i) {
    const int now = i & 1;
    if (i > 0) {
      if (i % S::kUnitSteps == 0) barrier_wait(barriers.inputs(i / S::kUnitSteps), at.inputs_phase);
      products_begin();
    }
    sums.multiply(0, i, step[now], inputs);
    products_commit();
    if (i + 1 == S::kSteps) next_weights(at, place, ring, next);
    place.weights(ring.at).load((i + 1) % S::kSteps, raw);
    if (i > 0) {
      products_wait<1>();
      sums.add(1, step[now ^ 1].scales);
      if (i % S::kUnitSteps == 0) arrive_as_warp(barriers.free(barriers.inputs(i / S::kUnitSteps - 1)));
    }
    products_begin();
    sums.multiply(1, i, step[now], inputs);
    products_commit();
    Weights::unpack((i + 1) % S::kSteps, raw, i + 1 == S::kSteps ? next : params, step[now ^ 1]);
    products_wait<1>();
    sums.add(0, step[now].scales);
  }
  if (at.ends) end_slice(at, place, 0, sums);
  products_wait<0>();
  sums.add(1, step[1].scales);
  arrive_as_warp(barriers.free(barriers.inputs(kChunkUnits - 1)));
  if (at.ends) end_slice(at, place, 1, sums);
  params = next;
}

}  // namespace jang::kernels::cuda
