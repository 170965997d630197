// SPDX-License-Identifier: Apache-2.0
// Packed maps on the tensor cores. Weights are the 16-row operand even for one input, so that multiply-adds cost next to nothing; a quad of
// lanes shares a row, each with a quarter of every 32 columns. Codes are taken as they lie in their word (fast_codes.cuh), inputs and their
// sums as fast_inputs.h describes them. A chunk of 256 columns adds
//   y += bias * (sum of x)        of all its groups, multiplied by the tensor cores in the type of the biases;
//   y += scale * (sum of code x)  of one group after the other, or of 64 columns of larger groups, scaled in float32.
// Each warp brings its own rows through its own stages of shared memory: the loop has no barrier of the block.
//
// A row's result has one order of sums, whatever the batch: columns in chunks of 256, eight slices of neighbouring chunks, inside a slice
// chunk by chunk, then the slices in order. Two kernels here, and that of linear_wide.cu, share it and give the same bits:
//   few inputs: tiles of 16 rows and up to 16 inputs, a warp per slice; a block goes from tile to tile and fetches the next one's weights
//     while it computes;
//   many inputs: 128 rows and 64 inputs a block, a warp takes 32 rows through all slices.
#include "kernels/cuda/linear_fast.h"

#include "codec/dispatch.h"
#include "kernels/cuda/fast_map.cuh"
#include "kernels/cuda/fast_tiles.cuh"
#include "kernels/cuda/linear_wide.h"
#include "kernels/cuda/warpgroup.cuh"

namespace jang::kernels::cuda {
namespace {

// The rows of x of a group's inputs; places of inputs that do not exist stand for the last one. A barrier of the block.
template <int kInputs>
__device__ __forceinline__ void find_inputs(const Columns& columns, const InputGroup& group, std::int32_t* who) {
  for (int i = static_cast<int>(threadIdx.x); i < kInputs; i += static_cast<int>(blockDim.x))
    who[i] = static_cast<std::int32_t>(input_row(columns, group.first + min(i, group.count - 1)));
  __syncthreads();
}

// --- few inputs. Teams of `slices` warps take a tile each: 16 rows of a map and a group of inputs; tile p is group p % n_groups of row
// tile p / n_groups. A block takes as many tiles at once as it has teams, then those a grid further on.

constexpr int kFewWarps = 8, kFewInputs = 8;
constexpr int kMostGroups = 512;  // of a mixture, with few inputs

// Groups of a mixture, found once by a block.
struct GroupTable {
  std::int32_t first[kMostGroups];
  std::int16_t expert[kMostGroups], count[kMostGroups];
};

// The number of groups. A barrier of the block.
__device__ int fill_groups(const Columns& c, GroupTable* table) {
  __shared__ int n_groups;
  if (threadIdx.x < 32) {
    const int lane = static_cast<int>(threadIdx.x);
    int before = 0;
    for (int e0 = 0; e0 < c.experts; e0 += 32) {
      const int e = e0 + lane;
      const int first = e < c.experts ? c.begin[e] : 0, count = e < c.experts ? c.begin[e + 1] - first : 0;
      const int groups = (count + kFewInputs - 1) / kFewInputs;
      const int sum = warp_prefix_sum(groups);
      for (int i = 0; i < groups; ++i) {
        const int at = before + sum - groups + i;
        table->first[at] = first + i * kFewInputs;
        table->expert[at] = static_cast<std::int16_t>(e);
        table->count[at] = static_cast<std::int16_t>(min(kFewInputs, count - i * kFewInputs));
      }
      before += __shfl_sync(~0u, sum, 31);
    }
    if (lane == 0) n_groups = before;
  }
  __syncthreads();
  return n_groups;
}

// kTiles: of 8 inputs that share the unpacked codes. A mixture has one.
template <int kBits, int kTiles>
__global__ void __launch_bounds__(32 * kFewWarps, 2) few_inputs(const __grid_constant__ FastArgs a) {
  using S = Stage<kBits, 1>;
  constexpr int kInputs = kFewInputs * kTiles;
  extern __shared__ uint4 memory[];
  __shared__ __align__(16) float parts[2][kFewWarps][16][kInputs];
  __shared__ GroupTable table;
  const int thread = static_cast<int>(threadIdx.x), lane = thread & 31, warp = thread >> 5, g = lane >> 2, t = lane & 3;
  std::byte* stages = reinterpret_cast<std::byte*>(memory) + warp * S::kDepth * S::kBytes;
  const std::uint32_t stages_at = shared_address(stages);
  const int team = warp / a.slices, slice = warp % a.slices, teams = kFewWarps / a.slices;
  const bool mixture = kTiles == 1 && a.columns.begin != nullptr;
  int n_groups = a.n_groups;
  let_next_start();
  if (mixture) {
    wait_for_previous();
    n_groups = fill_groups(a.columns, &table);
  }
  const auto group_of = [&](int tile) {
    const int index = n_groups == 1 ? 0 : tile % n_groups;
    if (!mixture) return find_group(a.columns, index, kInputs);
    return InputGroup{table.expert[index], table.first[index], table.count[index]};
  };
  const int n_tiles = n_groups * a.tiles_end[a.n_maps - 1];
  const int chunks = (static_cast<int>(a.maps[0].w.columns) + kChunkColumns - 1) / kChunkColumns, length = (chunks + kSlices - 1) / kSlices;
  const int begin = slice * length, end = min(begin + length, chunks);
  const int step = static_cast<int>(gridDim.x) * teams;

  // What is fetched next: a chunk of a tile, maybe of a later one than is computed.
  int fetch_tile = static_cast<int>(blockIdx.x) * teams + team, fetch_chunk = begin;
  WarpRows<kBits, 1> fetched;
  const auto open_fetch = [&] {
    if (fetch_tile >= n_tiles) return;
    int first_tile = 0;
    const int row_tile = n_groups == 1 ? fetch_tile : fetch_tile / n_groups;
    const FastMap& map = map_of(a, row_tile, &first_tile);
    fetched = WarpRows<kBits, 1>(map.w, mixture ? group_of(fetch_tile).expert : 0, (row_tile - first_tile) * 16);
  };
  const auto fetch_next = [&](int stage) {
    if (begin < end && fetch_tile < n_tiles) {
      fetched.fetch(fetch_chunk, stages_at + stage * S::kBytes);
      if (++fetch_chunk == end) {
        fetch_chunk = begin;
        fetch_tile += step;
        open_fetch();
      }
    }
    commit_copies();
  };
  open_fetch();
#pragma unroll
  for (int i = 0; i < S::kDepth; ++i) fetch_next(i);
  if (!mixture) wait_for_previous();  // until here only weights were read

  const int group_size = a.maps[0].w.group;
  const bool bf16 = a.maps[0].w.param == DType::bf16;
  // With one group of inputs a thread puts results of one input only.
  const int own_input = thread >> 4 & (kInputs - 1);
  const bool one_group = !mixture && n_groups == 1;
  const float own_factor = one_group && own_input < a.columns.n ? a.inputs.factors[own_input] : 0.0f;
  int at = 0, buffer = 0;
  for (int base = static_cast<int>(blockIdx.x) * teams; base < n_tiles; base += step, buffer ^= 1) {
    if (base + team < n_tiles) {
      const InputGroup group = group_of(base + team);
      const int last = group.first + group.count - 1;
      const InputLane first_who(a.inputs, input_row(a.columns, min(group.first + g, last)));
      const InputLane who[2] = {first_who, kTiles == 1 ? first_who : InputLane(a.inputs, min(group.first + 8 + g, last))};
      float sums[kTiles][4] = {};
      for (int chunk = begin; chunk < end; ++chunk) {
        wait_for_copies<S::kDepth - 1>();
        __syncwarp();
        multiply_few<kBits, kTiles>({stages + at * S::kBytes, group_size, bf16}, chunk, who, sums);
        __syncwarp();
        fetch_next(at);
        at = at + 1 == S::kDepth ? 0 : at + 1;
      }
      float(&part)[16][kInputs] = parts[buffer][warp];
#pragma unroll
      for (int n = 0; n < kTiles; ++n) {
        *reinterpret_cast<float2*>(&part[g][8 * n + 2 * t]) = make_float2(sums[n][0], sums[n][1]);
        *reinterpret_cast<float2*>(&part[g + 8][8 * n + 2 * t]) = make_float2(sums[n][2], sums[n][3]);
      }
    }
    __syncthreads();
    for (int i = thread; i < teams * 16 * kInputs; i += 32 * kFewWarps) {
      const int r = i & 15, input = i >> 4 & (kInputs - 1), of = i / (16 * kInputs);
      if (base + of >= n_tiles) break;
      const InputGroup group = group_of(base + of);
      int first_tile = 0;
      const int row_tile = n_groups == 1 ? base + of : (base + of) / n_groups;
      const FastMap& map = map_of(a, row_tile, &first_tile);
      const int row = (row_tile - first_tile) * 16 + r;
      if (input >= group.count || row >= map.w.rows) continue;
      float total = 0;
      for (int s = 0; s < a.slices; ++s) total += parts[buffer][of * a.slices + s][r][input];
      put(map, row, group.first + input, total, one_group ? own_factor : a.inputs.factors[input_row(a.columns, group.first + input)]);
    }
  }
}

// --- many inputs: grid: row tiles of 128 of all maps; groups of 64 inputs. A warp takes 32 rows.

constexpr int kManyWarps = 4, kManyRows = 32 * kManyWarps, kManyTiles = 8, kManyInputs = 8 * kManyTiles;
constexpr int kManyValues = 2 * kManyTiles * 4;  // of a thread

template <int kBits>
__global__ void __launch_bounds__(32 * kManyWarps) many_inputs(const __grid_constant__ FastArgs a) {
  using S = Stage<kBits, 2>;
  extern __shared__ uint4 memory[];
  __shared__ __align__(8) std::int32_t who[kManyInputs];
  const int lane = static_cast<int>(threadIdx.x) & 31, warp = static_cast<int>(threadIdx.x) >> 5;
  std::byte* stages = reinterpret_cast<std::byte*>(memory) + warp * S::kDepth * S::kBytes;
  begin_kernel();
  int first_tile = 0;
  const FastMap& map = map_of(a, static_cast<int>(blockIdx.x), &first_tile);
  const InputGroup group = find_group(a.columns, static_cast<int>(blockIdx.y), kManyInputs);
  const int row0 = (static_cast<int>(blockIdx.x) - first_tile) * kManyRows + 32 * warp;
  if (group.count == 0) return;
  const WarpRows<kBits, 2> rows(map.w, group.expert, row0);
  const int chunks = (static_cast<int>(map.w.columns) + kChunkColumns - 1) / kChunkColumns, length = (chunks + kSlices - 1) / kSlices;
#pragma unroll
  for (int i = 0; i < S::kDepth - 1; ++i) {
    if (i < chunks) rows.fetch(i, shared_address(stages + i * S::kBytes));
    commit_copies();
  }
  find_inputs<kManyInputs>(a.columns, group, who);
  if (rows.rows <= 0) return;
  const bool bf16 = map.w.param == DType::bf16;
  float sums[2][kManyTiles][4] = {};
  // Sums of the slices so far, value i of a thread at i * threads: they are touched eight times in all, and registers are dear.
  float* totals = reinterpret_cast<float*>(reinterpret_cast<std::byte*>(memory) + kManyWarps * S::kDepth * S::kBytes) + threadIdx.x;
#pragma unroll
  for (int i = 0; i < kManyValues; ++i) totals[i * 32 * kManyWarps] = 0;
  int at = 0, left = length;
  for (int chunk = 0; chunk < chunks; ++chunk) {
    const int ahead = chunk + S::kDepth - 1, free = at == 0 ? S::kDepth - 1 : at - 1;
    if (ahead < chunks) rows.fetch(ahead, shared_address(stages + free * S::kBytes));
    commit_copies();
    wait_for_copies<S::kDepth - 1>();
    __syncwarp();
    multiply_many<kBits, kManyTiles>({stages + at * S::kBytes, rows.group, bf16}, chunk, a.inputs, who, sums);
    __syncwarp();
    at = at + 1 == S::kDepth ? 0 : at + 1;
    if (--left > 0 && chunk + 1 < chunks) continue;
    left = length;
#pragma unroll
    for (int m = 0; m < 2; ++m)
#pragma unroll
      for (int n = 0; n < kManyTiles; ++n)
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          totals[((m * kManyTiles + n) * 4 + i) * 32 * kManyWarps] += sums[m][n][i];
          sums[m][n][i] = 0;
        }
  }
  const int g = lane >> 2, t = lane & 3;
#pragma unroll
  for (int m = 0; m < 2; ++m)
#pragma unroll
    for (int n = 0; n < kManyTiles; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int row = row0 + 16 * m + g + (i >> 1) * 8, column = 8 * n + 2 * t + (i & 1);
        if (row < map.w.rows && column < group.count)
          put(map, row, group.first + column, totals[((m * kManyTiles + n) * 4 + i) * 32 * kManyWarps], a.inputs.factors[who[column]]);
      }
}

template <int kBits, int kTiles>
void launch_few(FastArgs& a, std::int64_t tiles, Stream stream) {
  constexpr int kBytes = kFewWarps * Stage<kBits, 1>::kDepth * Stage<kBits, 1>::kBytes;
  static const int resident = [] {  // blocks that the card holds at once
    int per_processor = 0, device = 0, processors = 0;
    cudaFuncSetAttribute(few_inputs<kBits, kTiles>, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes);
    cudaOccupancyMaxActiveBlocksPerMultiprocessor(&per_processor, few_inputs<kBits, kTiles>, 32 * kFewWarps, kBytes);
    cudaGetDevice(&device);
    cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device);
    return per_processor * processors > 0 ? per_processor * processors : 1;
  }();
  const std::int64_t chunks = (a.maps[0].w.columns + kChunkColumns - 1) / kChunkColumns, length = (chunks + kSlices - 1) / kSlices;
  a.slices = 1;
  while (a.slices * length < chunks) a.slices *= 2;
  a.n_groups = static_cast<int>(group_count(a.columns, kFewInputs * kTiles));
  const std::int64_t blocks = (tiles * a.n_groups * a.slices + kFewWarps - 1) / kFewWarps;
  launch(few_inputs<kBits, kTiles>, dim3(static_cast<unsigned>(blocks < resident ? blocks : resident)), dim3(32 * kFewWarps), kBytes,
         stream, a);
}

template <int kBits>
void launch_width(FastArgs& a, bool many, Stream stream) {
  const int rows = many ? kManyRows : 16;
  int tiles = 0;
  for (int m = 0; m < a.n_maps; ++m) {
    tiles += static_cast<int>((a.maps[m].w.rows + rows - 1) / rows);
    a.tiles_end[m] = tiles;
  }
  if (many) {
    constexpr int kBytes = kManyWarps * (Stage<kBits, 2>::kDepth * Stage<kBits, 2>::kBytes + kManyValues * 32 * 4);
    cudaFuncSetAttribute(many_inputs<kBits>, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes);
    launch(many_inputs<kBits>, dim3(static_cast<unsigned>(tiles), static_cast<unsigned>(group_count(a.columns, kManyInputs))),
           dim3(32 * kManyWarps), kBytes, stream, a);
    return;
  }
  if (a.columns.begin == nullptr && a.columns.n > kFewInputs)
    launch_few<kBits, 2>(a, tiles, stream);
  else
    launch_few<kBits, 1>(a, tiles, stream);
}

}  // namespace

// Few inputs read the weights once per 8 or 16, mostly from the cache; the limits are where measurements on an H100 cross.
static bool many_inputs_pay(const Columns& columns) {
  if (columns.begin == nullptr) return columns.n > 128;
  return columns.n > 16 * static_cast<std::int64_t>(columns.experts) || group_count(columns, kFewInputs) > kMostGroups;
}
static bool tiles_pay(const Matrices& w, const Columns& columns) {
  if (columns.begin != nullptr) return many_inputs_pay(columns);
  return columns.n > (w.rows >= 8192 ? 16 : 48);  // with fewer rows there is not a tile for every multiprocessor
}

FastPlan fast_plan(const Matrices& w, const Columns& columns) {
  return {w.bits, w.group == 32, w.param == DType::bf16, wide_supported() && tiles_pay(w, columns)};
}

void linear_fast(const FastMap* maps, int n_maps, const FastInputs& inputs, const Columns& columns, Stream stream) {
  FastArgs a = {};
  for (int m = 0; m < n_maps; ++m) a.maps[m] = maps[m];
  a.n_maps = n_maps;
  a.inputs = inputs;
  a.columns = columns;
  if (inputs.plan.tiles) return linear_wide(a, stream);
  const bool many = many_inputs_pay(columns);
  codec::with_width(maps[0].w.bits, [&]<int kBits>() { launch_width<kBits>(a, many, stream); });
}

}  // namespace jang::kernels::cuda
