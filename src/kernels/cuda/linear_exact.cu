// SPDX-License-Identifier: Apache-2.0
// Every y is a sum in one fixed order, whatever the batch, that of product_tile.cuh: slices of 32 columns from zero on the tensor cores, in
// parts of bf16, then the slices in order. Two kernels share it and give the same bits:
//   few inputs   a block takes 16 rows of the matrix and 8, 16 or 32 inputs; each of its warps takes every eighth slice, straight from
//                memory, and their sums are added in order
//   many inputs  tiles of 64 or 128 rows and inputs
// Weights are code * scale + bias rounded once, as dequantize_row of the other backends has them.
#include "kernels/cuda/linear_exact.h"

#include "kernels/cuda/columns.cuh"
#include "kernels/cuda/product_tile.cuh"

namespace jang::kernels::cuda {
namespace {

constexpr int kWarps = kTileThreads / 32;
constexpr int kFewRows = 16, kFewInputs = 8;  // of a fragment

__device__ __forceinline__ void write_value(const ExactArgs& a, std::int64_t input, std::int64_t row, float value) {
  a.y.at[input * a.y.stride + row] = a.bias != nullptr ? value + a.bias[row] : value;
}

// Two neighbouring weights of a row in parts, zeros behind the last column.
template <DType kStored>
__device__ __forceinline__ void weight_pair(const Matrices& w, std::int64_t row, std::int64_t params, int column,
                                            std::uint32_t (&parts)[kPartsOf<kStored>]) {
  const int left = static_cast<int>(w.columns) - column;
  if constexpr (kStored == DType::bf16) {
    const std::uint32_t pair = left > 0 ? __ldg(reinterpret_cast<const std::uint32_t*>(w.codes + row) + column / 2) : 0u;
    parts[0] = left > 1 ? pair : pair & 0xffffu;
  } else {
    float x = 0, y = 0;
    if constexpr (kStored == DType::u32) {
      if (left > 0) {
        const float scale = stored_value(w.param, w.scales + params, column / w.group);
        const float bias = stored_value(w.param, w.biases + params, column / w.group);
        x = fmaf(static_cast<float>(code_at(w.codes + row, w.bits, column)), scale, bias);
        y = fmaf(static_cast<float>(code_at(w.codes + row, w.bits, column + 1)), scale, bias);
      }
    } else {
      if (left > 0) x = stored_value(kStored, w.codes + row, column);
      if (left > 1) y = stored_value(kStored, w.codes + row, column + 1);
    }
    split_pair(x, y, parts);
  }
}

template <DType kStored, int kFragments>
__global__ void __launch_bounds__(kTileThreads) few_inputs(ExactArgs a, bool aligned) {
  constexpr int kValues = kFragments * kFewRows * kFewInputs;
  __shared__ float of_warp[kWarps][kValues];
  begin_kernel();
  const InputGroup group = find_group(a.columns, static_cast<int>(blockIdx.y), kFragments * kFewInputs);
  if (group.count == 0) return;
  const int thread = static_cast<int>(threadIdx.x), lane = thread & 31, warp = thread >> 5;
  const int columns = static_cast<int>(a.w.columns), slices = (columns + kSlice - 1) / kSlice;
  const std::int64_t row0 = static_cast<std::int64_t>(blockIdx.x) * kFewRows;
  std::int64_t rows[2], params[2];  // bytes to the two rows of this lane
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const std::int64_t row = min(row0 + lane / 4 + 8 * i, a.w.rows - 1);
    rows[i] = group.expert * a.w.matrix_bytes + row * a.w.row_pitch;
    params[i] = group.expert * a.w.param_bytes + row * a.w.param_pitch;
  }
  const float* x[kFragments];  // the inputs of this lane; where there is none, another, whose results nobody stores
#pragma unroll
  for (int f = 0; f < kFragments; ++f) {
    const int input = min(f * kFewInputs + lane / 4, group.count - 1);
    x[f] = a.x.at + input_row(a.columns, group.first + input) * a.x.stride;
  }
  float totals[(kValues + kTileThreads - 1) / kTileThreads] = {};
  for (int first = 0; first < slices; first += kWarps) {
    const int k0 = (first + warp) * kSlice + lane % 4 * 2;
    float sums[kFragments][4] = {};
    if (first + warp < slices) {
      // All of the slice is on its way before any of it is used.
      float2 pairs[kSlice / 16][kFragments][2];
      const auto load = [&](const auto& pair_at) {
#pragma unroll
        for (int s = 0; s < kSlice / 16; ++s)
#pragma unroll
          for (int f = 0; f < kFragments; ++f)
#pragma unroll
            for (int i = 0; i < 2; ++i) pairs[s][f][i] = pair_at(x[f], k0 + 16 * s + 8 * i);
      };
      if (aligned && (first + warp + 1) * kSlice <= columns)
        load([](const float* row, int k) { return *reinterpret_cast<const float2*>(row + k); });
      else
        load([&](const float* row, int k) { return make_float2(k < columns ? row[k] : 0.0f, k + 1 < columns ? row[k + 1] : 0.0f); });
      std::uint32_t of_w[kSlice / 16][4][kPartsOf<kStored>];
#pragma unroll
      for (int s = 0; s < kSlice / 16; ++s)
#pragma unroll
        for (int i = 0; i < 4; ++i) weight_pair<kStored>(a.w, rows[i % 2], params[i % 2], k0 + 16 * s + i / 2 * 8, of_w[s][i]);
#pragma unroll
      for (int s = 0; s < kSlice / 16; ++s) {
        std::uint32_t of_x[kFragments][2][kParts];
#pragma unroll
        for (int f = 0; f < kFragments; ++f)
#pragma unroll
          for (int i = 0; i < 2; ++i) split_pair(pairs[s][f][i].x, pairs[s][f][i].y, of_x[f][i]);
        for_products<kPartsOf<kStored>, kParts>([&](int pw, int px) {
          const std::uint32_t w[4] = {of_w[s][0][pw], of_w[s][1][pw], of_w[s][2][pw], of_w[s][3][pw]};
#pragma unroll
          for (int f = 0; f < kFragments; ++f) mma_bf16(w, of_x[f][0][px], of_x[f][1][px], sums[f]);
        });
      }
    }
#pragma unroll
    for (int f = 0; f < kFragments; ++f)
#pragma unroll
      for (int v = 0; v < 4; ++v) of_warp[warp][(f * 4 + v) * 32 + lane] = sums[f][v];
    __syncthreads();
#pragma unroll
    for (int i = 0; i < static_cast<int>(sizeof(totals) / sizeof(float)); ++i) {
      const int at = thread + i * kTileThreads;
      if (at < kValues)
        for (int w = 0; w < min(kWarps, slices - first); ++w) totals[i] += of_warp[w][at];
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < static_cast<int>(sizeof(totals) / sizeof(float)); ++i) {
    const int at = thread + i * kTileThreads, of_lane = at % 32, v = at / 32 % 4, f = at / 128;
    const int input = f * kFewInputs + of_lane % 4 * 2 + v % 2;
    const std::int64_t row = row0 + of_lane / 4 + v / 2 * 8;
    if (at < kValues && input < group.count && row < a.w.rows) write_value(a, group.first + input, row, totals[i]);
  }
}

// Rows of x as an operand, from wherever they are.
template <int kTile>
class InputOperand {
 public:
  using Tile = SliceTile<kTile, true, kParts>;
  // rows: of x, in shared memory; null where there is no input.
  __device__ __forceinline__ explicit InputOperand(const float* const* rows) : rows_(rows) {}
  __device__ __forceinline__ void load(int k, int k_end) {
#pragma unroll
    for (int i = 0; i < Where::kLines; ++i) {
      const float* row = rows_[Where::line(i)];
      eights_[i].load(row + k + Where::first(i), row != nullptr ? k_end - k - Where::first(i) : 0);
    }
  }
  __device__ __forceinline__ void store(Tile& tile) const {
#pragma unroll
    for (int i = 0; i < Where::kLines; ++i) eights_[i].template store<Where>(tile, i);
  }

 private:
  using Where = Brought<kTile, true>;
  const float* const* rows_;
  EightFloats eights_[Where::kLines];
};

template <int kTile, DType kStored>
__global__ void __launch_bounds__(kTileThreads, kTile == 64 ? 2 : 1) many_inputs(const __grid_constant__ ExactArgs a) {
  using Weights = WeightOperand<true, kTile, kStored>;
  using Inputs = InputOperand<kTile>;
  extern __shared__ uint4 tile_memory[];
  __shared__ const float* rows_of_x[kTile];
  begin_kernel();
  const InputGroup group = find_group(a.columns, static_cast<int>(blockIdx.y), kTile);
  if (group.count == 0) return;
  const int thread = static_cast<int>(threadIdx.x);
  if (thread < kTile) rows_of_x[thread] = thread < group.count ? a.x.at + input_row(a.columns, group.first + thread) * a.x.stride : nullptr;
  __syncthreads();
  const std::int64_t row0 = static_cast<std::int64_t>(blockIdx.x) * kTile;
  Weights w(a.w, group.expert, row0);
  Inputs x(rows_of_x);
  TileSums<kTile> sums;
  sums.add(w, x, 0, static_cast<int>(a.w.columns), *reinterpret_cast<TileMemory<Weights, Inputs>*>(tile_memory));
  const int rows = static_cast<int>(min(static_cast<std::int64_t>(kTile), a.w.rows - row0));
  sums.for_each([&](int row, int input, float value) {
    if (input < group.count && row < rows) write_value(a, group.first + input, row0 + row, value);
  });
}

constexpr std::int64_t kMostGroups = 65535;

// Whether tiles of that size fill the card, and then launches them.
template <int kTile, DType kStored>
bool launch_many(const ExactArgs& a, int multiprocessors, Stream stream) {
  const std::int64_t groups = group_count(a.columns, kTile), least = a.columns.begin == nullptr ? groups : a.columns.n / kTile;
  const std::int64_t rows = blocks_of(a.w.rows, kTile);
  if (rows * least < multiprocessors || groups > kMostGroups) return false;
  constexpr std::size_t kBytes = sizeof(TileMemory<WeightOperand<true, kTile, kStored>, InputOperand<kTile>>);
  launch_with_memory(many_inputs<kTile, kStored>, dim3(static_cast<unsigned>(rows), static_cast<unsigned>(groups)), dim3(kTileThreads),
                     kBytes, stream, a);
  return true;
}

template <DType kStored, int kFragments>
void launch_few(const ExactArgs& a, Stream stream) {
  const bool aligned = a.x.stride % 2 == 0 && reinterpret_cast<std::uintptr_t>(a.x.at) % 8 == 0;
  launch(few_inputs<kStored, kFragments>,
         dim3(blocks_of(a.w.rows, kFewRows), static_cast<unsigned>(group_count(a.columns, kFragments * kFewInputs))), dim3(kTileThreads), 0,
         stream, a, aligned);
}

template <DType kStored>
void multiply(const ExactArgs& a, int multiprocessors, Stream stream) {
  // Of a matrix; what experts really see is not known here.
  const std::int64_t inputs = a.columns.begin == nullptr ? a.columns.n : a.columns.n / a.columns.experts;
  if (inputs > 96 && launch_many<128, kStored>(a, multiprocessors, stream)) return;
  if (inputs > 2 * kFewInputs && launch_many<64, kStored>(a, multiprocessors, stream)) return;
  if (inputs <= kFewInputs) return launch_few<kStored, 1>(a, stream);
  if (inputs <= 2 * kFewInputs) return launch_few<kStored, 2>(a, stream);
  launch_few<kStored, 4>(a, stream);
}

}  // namespace

void linear_exact(const ExactArgs& a, int multiprocessors, Stream stream) {
  with_stored(a.w, [&]<DType kStored>() { multiply<kStored>(a, multiprocessors, stream); });
}

}  // namespace jang::kernels::cuda
