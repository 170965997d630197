// SPDX-License-Identifier: Apache-2.0
// What the kernels of packed maps share (linear_fast.cu, linear_wide.cu): the maps of a launch, and where a result goes.
#pragma once

#include "kernels/cuda/columns.cuh"
#include "kernels/cuda/linear_fast.h"

namespace jang::kernels::cuda {

struct FastArgs {
  FastMap maps[kMapsPerLaunch];
  int tiles_end[kMapsPerLaunch];  // row tiles of the maps, summed up
  int n_maps;
  FastInputs inputs;
  Columns columns;
  int n_groups, slices;  // groups of inputs there can be; of few inputs: slices that are not empty, rounded up to a power of two
};

// The map of a row tile. Parameters of a kernel that are addressed by a variable are read from constant memory.
__device__ __forceinline__ const FastMap& map_of(const FastArgs& a, int tile, int* first_tile) {
  int m = 0;
  while (m + 1 < a.n_maps && tile >= a.tiles_end[m]) ++m;
  *first_tile = m > 0 ? a.tiles_end[m - 1] : 0;
  return a.maps[m];
}

// The result of a row: without the scaling of the input, with bias and cap.
__device__ __forceinline__ float result_of(const FastMap& map, int row, float value, float factor) {
  value *= factor;
  if (map.bias != nullptr) value += map.bias[row];
  return map.softcap != 0 ? map.softcap * tanhf(value / map.softcap) : value;
}
__device__ __forceinline__ void put(const FastMap& map, int row, int input, float value, float factor) {
  map.y.at[static_cast<std::int64_t>(input) * map.y.stride + row] = result_of(map, row, value, factor);
}

}  // namespace jang::kernels::cuda
