// SPDX-License-Identifier: Apache-2.0
// Packed maps on the tensor cores. Weights are the 16-row operand even for one input, so that multiply-adds cost next to nothing; a quad of
// lanes shares a row, each with a quarter of every group, and scale and bias are applied once per group, in float32:
//   y += scale * (sum of (code + offset) x - sum of offset x) + bias * sum of x
// Each warp brings its own rows through its own stages of shared memory: the loop has no barrier of the block.
//
// A row's result has one order of sums, whatever the batch: columns in chunks of 256, eight slices of neighbouring chunks, inside a slice
// unit by unit, then the slices in order. Two kernels share it and give the same bits:
//   few inputs: 16 rows and up to 8 inputs a block, a warp per slice;
//   many inputs: 128 rows and 64 inputs a block, a warp takes 32 rows through all slices.
#include "kernels/cuda/linear_fast.h"

#include "kernels/cuda/columns.cuh"
#include "kernels/cuda/fast_codes.cuh"

namespace jang::kernels::cuda {
namespace {

constexpr int kChunkColumns = 256, kUnit = 64, kChunkUnits = kChunkColumns / kUnit;
constexpr int kSlices = 8;

struct FastArgs {
  FastMap maps[kMapsPerLaunch];
  int tiles_end[kMapsPerLaunch];  // row tiles of the maps, summed up
  int n_maps;
  FastInputs inputs;
  Columns columns;
};

// --- inputs

__global__ void prepare_kernel(int bits, Rows x, int columns, int units, std::int64_t rows, uint32_t* values, float4* corrections,
                               float* factors) {
  begin_kernel();
  const std::int64_t row = blockIdx.x;
  const float* from = x.at + row * x.stride;
  float largest = 0;
  for (int c = static_cast<int>(threadIdx.x); c < columns; c += static_cast<int>(blockDim.x)) largest = fmaxf(largest, fabsf(from[c]));
  largest = block_max(largest);
  // The largest comes to lie between 2^14 and 2^15; what is not finite is left as it is and shows in the result.
  const int exponent = largest > 0 && largest < INFINITY ? min(14 - ilogbf(largest), 100) : 0;
  const float factor = ldexpf(1.0f, exponent);
  if (threadIdx.x == 0) factors[row] = ldexpf(1.0f, -exponent);
  const int lane = static_cast<int>(threadIdx.x) & 31, warps = static_cast<int>(blockDim.x) >> 5;
  const int half = lane >> 4, t = lane >> 2 & 3, i = 2 * (lane & 3);  // a lane makes places i and i + 1 of quad lane t
  const Place p0 = fast_place(bits, i), p1 = fast_place(bits, i + 1);
  for (int u = static_cast<int>(threadIdx.x) >> 5; u < units; u += warps) {
    const int c = u * kUnit + half * 32 + t * 8, c0 = c + p0.code, c1 = c + p1.code;
    const __half2 pair = __floats2half2_rn(c0 < columns ? from[c0] * factor : 0.0f, c1 < columns ? from[c1] * factor : 0.0f);
    const float2 rounded = __half22float2(pair);
    float correction = p0.offset * rounded.x + p1.offset * rounded.y, sum = rounded.x + rounded.y;
#pragma unroll
    for (int o = 8; o > 0; o >>= 1) {
      correction += __shfl_xor_sync(~0u, correction, o);
      sum += __shfl_xor_sync(~0u, sum, o);
    }
    values[((2 * u + half) * rows + row) * 16 + (lane & 15)] = *reinterpret_cast<const std::uint32_t*>(&pair);
    const float correction_1 = __shfl_sync(~0u, correction, 16), sum_1 = __shfl_sync(~0u, sum, 16);
    if (lane == 0) corrections[u * rows + row] = make_float4(-correction, sum, -correction_1, sum_1);
  }
}

// --- weights of a warp

template <int kBits, int kTiles>
struct Stage {
  static constexpr int kRows = 16 * kTiles;
  static constexpr int kRowBytes = kChunkColumns / 8 * kBits;
  static constexpr int kPitch = kRowBytes + (kBits == 8 ? 32 : 16);  // rows of a fragment fall into different banks
  static constexpr int kParams = kRows * kPitch;                     // scales, 16 bytes a row; behind them biases
  static constexpr int kBytes = kParams + kRows * 32;
  static constexpr int kDepth = kTiles == 1 ? (kBits == 8 ? 2 : kBits >= 5 ? 3 : 4) : (kBits >= 5 ? 2 : 3);
};

// The rows of one warp: where they come from, and one chunk of them on its way to a stage.
template <int kBits, int kTiles>
struct WarpRows {
  using S = Stage<kBits, kTiles>;
  const std::byte* codes;
  const std::byte* scales;
  const std::byte* biases;
  std::int64_t row_pitch, param_pitch;
  int row0, last_row, row_bytes, param_bytes, group;

  __device__ __forceinline__ WarpRows(const Matrices& w, int expert, int first_row)
      : codes(w.codes + expert * w.matrix_bytes),
        scales(w.scales + expert * w.param_bytes),
        biases(w.biases + expert * w.param_bytes),
        row_pitch(w.row_pitch),
        param_pitch(w.param_pitch),
        row0(first_row),
        last_row(static_cast<int>(w.rows) - 1),
        row_bytes(static_cast<int>(w.columns) / 32 * 4 * kBits),
        param_bytes(static_cast<int>(w.columns) / w.group * 2),
        group(w.group) {}

  template <int kSize>
  __device__ __forceinline__ void fetch_params(int chunk, std::uint32_t stage) const {
    const int lane = static_cast<int>(threadIdx.x) & 31, offset = chunk * kSize;
    const int valid = max(0, min(kSize, param_bytes - offset));
    const std::byte* plane = lane & 16 ? biases : scales;
#pragma unroll
    for (int q = 0; q < kTiles; ++q) {
      const int r = q * 16 + (lane & 15);
      const std::byte* from = plane + min(row0 + r, last_row) * param_pitch + (valid > 0 ? offset : 0);
      copy_async<kSize>(stage + S::kParams + ((lane & 16 ? S::kRows : 0) + r) * 16, from, valid);
    }
  }
  // Codes behind the end of a row are not fetched: what lies in the stage meets inputs that are zero. Scales there become zero.
  __device__ __forceinline__ void fetch(int chunk, std::uint32_t stage) const {
    constexpr int kPieces = S::kRowBytes / 16;
    const int lane = static_cast<int>(threadIdx.x) & 31, begin = chunk * S::kRowBytes;
#pragma unroll
    for (int i = 0; i < S::kRows * kPieces / 32; ++i) {
      const int index = lane + 32 * i, r = index / kPieces, piece = index % kPieces * 16;
      if (begin + piece < row_bytes)
        copy_async<16>(stage + r * S::kPitch + piece, codes + min(row0 + r, last_row) * row_pitch + begin + piece, 16);
    }
    if (group == 64)
      fetch_params<8>(chunk, stage);
    else if (group == 32)
      fetch_params<16>(chunk, stage);
    else
      fetch_params<4>(chunk, stage);
  }
};

__device__ __forceinline__ float param_of(const std::byte* params, int index, bool bf16) {
  const std::uint16_t raw = reinterpret_cast<const std::uint16_t*>(params)[index];
  return bf16 ? __uint_as_float(static_cast<std::uint32_t>(raw) << 16) : __half2float(__ushort_as_half(raw));
}

// Read again wherever it is needed: addresses made of it once would take the registers of all sums.
__device__ __forceinline__ std::uint32_t input_at(const std::int32_t* who, int i) {
  return static_cast<std::uint32_t>(*static_cast<const volatile std::int32_t*>(who + i));
}

// One chunk in a stage against 8 kInputTiles inputs. `who`, in shared memory: the rows of x that they are; a lane multiplies input g of
// each tile and holds results of inputs 2 t and 2 t + 1.
template <int kBits, int kTiles, int kInputTiles>
__device__ __forceinline__ void multiply_chunk(const std::byte* stage, int chunk, int group, bool bf16, const FastInputs& x,
                                               const std::int32_t* who, float (&sums)[kTiles][kInputTiles][4]) {
  using S = Stage<kBits, kTiles>;
  const int lane = static_cast<int>(threadIdx.x) & 31, g = lane >> 2, t = lane & 3;
  const auto* values = static_cast<const uint4*>(x.values);
  const auto* corrections = static_cast<const float4*>(x.corrections);
#pragma unroll(kInputTiles == 1 ? kChunkUnits : 1)
  for (int u = 0; u < kChunkUnits; ++u) {
    const std::uint32_t unit = static_cast<std::uint32_t>(chunk * kChunkUnits + u), n_rows = static_cast<std::uint32_t>(x.rows);
    std::uint32_t low[kTiles][8], high[kTiles][8];  // rows g and g + 8 of a tile
    float params[kTiles][4];                        // scale and bias of row g, of row g + 8
#pragma unroll
    for (int a = 0; a < kTiles; ++a) {
#pragma unroll
      for (int s = 0; s < 2; ++s) {
        unpack_eight<kBits>(reinterpret_cast<const std::uint32_t*>(stage + (a * 16 + g) * S::kPitch), u, s, t, low[a] + 4 * s);
        unpack_eight<kBits>(reinterpret_cast<const std::uint32_t*>(stage + (a * 16 + g + 8) * S::kPitch), u, s, t, high[a] + 4 * s);
      }
    }
    const auto load_params = [&](int index) {
#pragma unroll
      for (int a = 0; a < kTiles; ++a) {
        const std::byte* scale = stage + S::kParams + (a * 16 + g) * 16;
        params[a][0] = param_of(scale, index, bf16);
        params[a][1] = param_of(scale + S::kRows * 16, index, bf16);
        params[a][2] = param_of(scale + 8 * 16, index, bf16);
        params[a][3] = param_of(scale + (S::kRows + 8) * 16, index, bf16);
      }
    };
    const auto apply = [&](int a, int n, const float(&d)[4], float sum_0, float sum_1) {
      float(&y)[4] = sums[a][n];
      y[0] = fmaf(params[a][0], d[0], fmaf(params[a][1], sum_0, y[0]));
      y[1] = fmaf(params[a][0], d[1], fmaf(params[a][1], sum_1, y[1]));
      y[2] = fmaf(params[a][2], d[2], fmaf(params[a][3], sum_0, y[2]));
      y[3] = fmaf(params[a][2], d[3], fmaf(params[a][3], sum_1, y[3]));
    };
    if (group != 32) {
      load_params(group == 64 ? u : u >> 1);
#pragma unroll
      for (int n = 0; n < kInputTiles; ++n) {
        const std::uint32_t input = input_at(who, 8 * n + g);
        const uint4 x0 = __ldg(values + ((2 * unit) * n_rows + input) * 4 + t);
        const uint4 x1 = __ldg(values + ((2 * unit + 1) * n_rows + input) * 4 + t);
        const std::uint32_t i0 = input_at(who, 8 * n + 2 * t), i1 = input_at(who, 8 * n + 2 * t + 1);
        const float4 c0 = __ldg(corrections + (unit * n_rows + i0)), c1 = __ldg(corrections + (unit * n_rows + i1));
#pragma unroll
        for (int a = 0; a < kTiles; ++a) {
          float d[4] = {c0.x + c0.z, c1.x + c1.z, c0.x + c0.z, c1.x + c1.z};
          multiply_tile(d, low[a][0], high[a][0], low[a][1], high[a][1], x0.x, x0.y);
          multiply_tile(d, low[a][2], high[a][2], low[a][3], high[a][3], x0.z, x0.w);
          multiply_tile(d, low[a][4], high[a][4], low[a][5], high[a][5], x1.x, x1.y);
          multiply_tile(d, low[a][6], high[a][6], low[a][7], high[a][7], x1.z, x1.w);
          apply(a, n, d, c0.y + c0.w, c1.y + c1.w);
        }
      }
      continue;
    }
#pragma unroll
    for (int s = 0; s < 2; ++s) {
      load_params(2 * u + s);
#pragma unroll
      for (int n = 0; n < kInputTiles; ++n) {
        const std::uint32_t input = input_at(who, 8 * n + g);
        const uint4 x0 = __ldg(values + ((2 * unit + s) * n_rows + input) * 4 + t);
        const std::uint32_t i0 = input_at(who, 8 * n + 2 * t), i1 = input_at(who, 8 * n + 2 * t + 1);
        const float4 c0 = __ldg(corrections + (unit * n_rows + i0)), c1 = __ldg(corrections + (unit * n_rows + i1));
        const float first_0 = s == 0 ? c0.x : c0.z, first_1 = s == 0 ? c1.x : c1.z;
#pragma unroll
        for (int a = 0; a < kTiles; ++a) {
          float d[4] = {first_0, first_1, first_0, first_1};
          multiply_tile(d, low[a][4 * s], high[a][4 * s], low[a][4 * s + 1], high[a][4 * s + 1], x0.x, x0.y);
          multiply_tile(d, low[a][4 * s + 2], high[a][4 * s + 2], low[a][4 * s + 3], high[a][4 * s + 3], x0.z, x0.w);
          apply(a, n, d, s == 0 ? c0.y : c0.w, s == 0 ? c1.y : c1.w);
        }
      }
    }
  }
}

__device__ __forceinline__ const FastMap& map_of(const FastArgs& a, int tile, int* first_tile) {
  int m = 0;
  while (m + 1 < a.n_maps && tile >= a.tiles_end[m]) ++m;
  *first_tile = m > 0 ? a.tiles_end[m - 1] : 0;
  return a.maps[m];
}

__device__ __forceinline__ void put(const FastMap& map, int row, int input, float value, float factor) {
  value *= factor;
  if (map.bias != nullptr) value += map.bias[row];
  if (map.softcap != 0) value = map.softcap * tanhf(value / map.softcap);
  map.y.at[static_cast<std::int64_t>(input) * map.y.stride + row] = value;
}

// The rows of x of a group's inputs; places of inputs that do not exist stand for the last one. A barrier of the block.
template <int kInputs>
__device__ __forceinline__ void find_inputs(const Columns& columns, const InputGroup& group, std::int32_t* who) {
  for (int i = static_cast<int>(threadIdx.x); i < kInputs; i += static_cast<int>(blockDim.x))
    who[i] = static_cast<std::int32_t>(input_row(columns, group.first + min(i, group.count - 1)));
  __syncthreads();
}

__device__ __forceinline__ std::uint32_t shared_address(const void* p) { return static_cast<std::uint32_t>(__cvta_generic_to_shared(p)); }

// --- few inputs: grid: row tiles of 16 of all maps; groups of 8 inputs. A warp per slice.

template <int kBits>
__global__ void __launch_bounds__(32 * kSlices, 2) few_inputs(const __grid_constant__ FastArgs a) {
  using S = Stage<kBits, 1>;
  extern __shared__ uint4 memory[];
  __shared__ float parts[kSlices][16][8];
  __shared__ __align__(8) std::int32_t who[8];
  const int lane = static_cast<int>(threadIdx.x) & 31, warp = static_cast<int>(threadIdx.x) >> 5;
  std::byte* stages = reinterpret_cast<std::byte*>(memory) + warp * S::kDepth * S::kBytes;
  let_next_start();
  int first_tile = 0;
  const FastMap& map = map_of(a, static_cast<int>(blockIdx.x), &first_tile);
  const int row0 = (static_cast<int>(blockIdx.x) - first_tile) * 16;
  InputGroup group;
  if (a.columns.begin == nullptr) {  // weights can be fetched before the inputs are there
    group = find_group(a.columns, static_cast<int>(blockIdx.y), 8);
  } else {
    wait_for_previous();
    group = find_group(a.columns, static_cast<int>(blockIdx.y), 8);
    if (group.count == 0) return;
  }
  const WarpRows<kBits, 1> rows(map.w, group.expert, row0);
  const int chunks = (static_cast<int>(map.w.columns) + kChunkColumns - 1) / kChunkColumns, length = (chunks + kSlices - 1) / kSlices;
  const int begin = warp * length, end = min(begin + length, chunks);
#pragma unroll
  for (int i = 0; i < S::kDepth - 1; ++i) {
    if (begin + i < end) rows.fetch(begin + i, shared_address(stages + i * S::kBytes));
    commit_copies();
  }
  if (a.columns.begin == nullptr) wait_for_previous();
  find_inputs<8>(a.columns, group, who);
  const bool bf16 = map.w.param == DType::bf16;
  float sums[1][1][4] = {};
  int at = 0;
  for (int chunk = begin; chunk < end; ++chunk) {
    const int ahead = chunk + S::kDepth - 1, free = at == 0 ? S::kDepth - 1 : at - 1;
    if (ahead < end) rows.fetch(ahead, shared_address(stages + free * S::kBytes));
    commit_copies();
    wait_for_copies<S::kDepth - 1>();
    __syncwarp();
    multiply_chunk<kBits, 1, 1>(stages + at * S::kBytes, chunk, rows.group, bf16, a.inputs, who, sums);
    __syncwarp();
    at = at + 1 == S::kDepth ? 0 : at + 1;
  }
  const int g = lane >> 2, t = lane & 3;
  parts[warp][g][2 * t] = sums[0][0][0];
  parts[warp][g][2 * t + 1] = sums[0][0][1];
  parts[warp][g + 8][2 * t] = sums[0][0][2];
  parts[warp][g + 8][2 * t + 1] = sums[0][0][3];
  __syncthreads();
  const int r = static_cast<int>(threadIdx.x) & 15, i = static_cast<int>(threadIdx.x) >> 4;
  if (i >= group.count || row0 + r > rows.last_row) return;
  float total = 0;
#pragma unroll
  for (int s = 0; s < kSlices; ++s) total += parts[s][r][i];
  put(map, row0 + r, group.first + i, total, a.inputs.factors[who[i]]);
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
  if (row0 > rows.last_row) return;
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
    multiply_chunk<kBits, 2, kManyTiles>(stages + at * S::kBytes, chunk, rows.group, bf16, a.inputs, who, sums);
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
        if (row <= rows.last_row && column < group.count)
          put(map, row, group.first + column, totals[((m * kManyTiles + n) * 4 + i) * 32 * kManyWarps], a.inputs.factors[who[column]]);
      }
}

template <int kBits>
void launch_width(FastArgs& a, bool many, Stream stream) {
  const int rows = many ? kManyRows : 16;
  int tiles = 0;
  for (int m = 0; m < a.n_maps; ++m) {
    tiles += static_cast<int>((a.maps[m].w.rows + rows - 1) / rows);
    a.tiles_end[m] = tiles;
  }
  const dim3 grid(static_cast<unsigned>(tiles), static_cast<unsigned>(group_count(a.columns, many ? kManyInputs : 8)));
  if (many) {
    constexpr int kBytes = kManyWarps * (Stage<kBits, 2>::kDepth * Stage<kBits, 2>::kBytes + kManyValues * 32 * 4);
    cudaFuncSetAttribute(many_inputs<kBits>, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes);
    launch(many_inputs<kBits>, grid, dim3(32 * kManyWarps), kBytes, stream, a);
  } else {
    constexpr int kBytes = kSlices * Stage<kBits, 1>::kDepth * Stage<kBits, 1>::kBytes;
    cudaFuncSetAttribute(few_inputs<kBits>, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes);
    launch(few_inputs<kBits>, grid, dim3(32 * kSlices), kBytes, stream, a);
  }
}

std::int64_t units_of(std::int64_t columns) { return (columns + kChunkColumns - 1) / kChunkColumns * kChunkUnits; }
constexpr std::int64_t up_256(std::int64_t n) { return (n + 255) / 256 * 256; }

}  // namespace

std::int64_t fast_input_bytes(std::int64_t n, std::int64_t columns) {
  return units_of(columns) * n * (kUnit * 2 + 16) + up_256(4 * n) + 512;
}

FastInputs prepare_fast(int bits, const Rows& x, std::int64_t n, std::int64_t columns, void* scratch, Stream stream) {
  const std::int64_t units = units_of(columns);
  auto* values = static_cast<std::byte*>(scratch);
  std::byte* corrections = values + units * n * kUnit * 2;
  auto* factors = reinterpret_cast<float*>(corrections + units * n * 16);
  launch(prepare_kernel, dim3(static_cast<unsigned>(n)), dim3(columns >= 2048 ? 1024 : 256), 0, stream, bits, x, static_cast<int>(columns),
         static_cast<int>(units), n, reinterpret_cast<std::uint32_t*>(values), reinterpret_cast<float4*>(corrections), factors);
  return {values, corrections, factors, n};
}

void linear_fast(const FastMap* maps, int n_maps, const FastInputs& inputs, const Columns& columns, Stream stream) {
  FastArgs a = {};
  for (int m = 0; m < n_maps; ++m) a.maps[m] = maps[m];
  a.n_maps = n_maps;
  a.inputs = inputs;
  a.columns = columns;
  // Few inputs read the weights once per 8; up to 32 the second reading finds them in the cache.
  const bool many = columns.begin == nullptr ? columns.n > 32 : columns.n > 16 * static_cast<std::int64_t>(columns.experts);
  switch (maps[0].w.bits) {
    case 2: return launch_width<2>(a, many, stream);
    case 3: return launch_width<3>(a, many, stream);
    case 4: return launch_width<4>(a, many, stream);
    case 5: return launch_width<5>(a, many, stream);
    case 6: return launch_width<6>(a, many, stream);
    default: return launch_width<8>(a, many, stream);
  }
}

}  // namespace jang::kernels::cuda
