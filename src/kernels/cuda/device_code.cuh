// SPDX-License-Identifier: Apache-2.0
// What kernels share: waiting for the kernel before, sums over a block, stored values as floats, launching.
//
// Kernels overlap: each is launched before the one in front of it has ended (programmatic dependent launch, Hopper and newer), and waits
// for it with begin_kernel() before it touches memory that others write. What is read before that call is weights only.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/launch.h"

namespace jang::kernels::cuda {

__device__ __forceinline__ void let_next_start() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}
__device__ __forceinline__ void wait_for_previous() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
__device__ __forceinline__ void begin_kernel() {
  let_next_start();
  wait_for_previous();
}

// Element `index` of an array of bf16, f16 or f32.
__device__ __forceinline__ float stored_value(DType dtype, const std::byte* base, std::int64_t index) {
  if (dtype == DType::f32) return reinterpret_cast<const float*>(base)[index];
  const std::uint16_t half = reinterpret_cast<const std::uint16_t*>(base)[index];
  if (dtype == DType::bf16) return __uint_as_float(static_cast<std::uint32_t>(half) << 16);
  return __half2float(__ushort_as_half(half));
}

// Code `c` of a row of packed codes: bits [c * bits, (c + 1) * bits) of the row's bit stream.
__device__ __forceinline__ std::uint32_t code_at(const std::byte* row, int bits, std::int64_t c) {
  const auto* words = reinterpret_cast<const std::uint32_t*>(row);
  const std::int64_t bit = c * bits;
  const std::int64_t word = bit >> 5;
  const int shift = static_cast<int>(bit & 31);
  std::uint32_t v = words[word] >> shift;
  if (shift + bits > 32) v |= words[word + 1] << (32 - shift);
  return v & ((1u << bits) - 1u);
}

// One weight as a float, by the codec's formula.
__device__ __forceinline__ float weight_at(const Matrices& w, std::int64_t matrix, std::int64_t row, std::int64_t c) {
  const std::byte* codes = w.codes + matrix * w.matrix_bytes + row * w.row_pitch;
  if (w.dtype != DType::u32) return stored_value(w.dtype, codes, c);
  const std::int64_t params = matrix * w.param_bytes + row * w.param_pitch;
  const float scale = stored_value(w.param, w.scales + params, c / w.group), bias = stored_value(w.param, w.biases + params, c / w.group);
  return fmaf(static_cast<float>(code_at(codes, w.bits, c)), scale, bias);
}

// A sum, or the largest, over the lanes of a warp, in every lane; the order does not depend on values.
template <typename T>
__device__ __forceinline__ T warp_sum(T x) {
#pragma unroll
  for (int o = 16; o > 0; o >>= 1) x += __shfl_xor_sync(~0u, x, o);
  return x;
}
__device__ __forceinline__ float warp_max(float x) {
#pragma unroll
  for (int o = 16; o > 0; o >>= 1) x = fmaxf(x, __shfl_xor_sync(~0u, x, o));
  return x;
}
// The same over a block of at most 1024 threads, a multiple of 32. Every thread calls it.
template <typename T>
__device__ __forceinline__ T block_sum(T x) {
  __shared__ T part[32];
  const int warps = static_cast<int>(blockDim.x) >> 5, lane = static_cast<int>(threadIdx.x) & 31;
  x = warp_sum(x);
  __syncthreads();  // part may still be read from the sum before
  if (lane == 0) part[threadIdx.x >> 5] = x;
  __syncthreads();
  return warp_sum(lane < warps ? part[lane] : T{0});
}
__device__ __forceinline__ float block_max(float x) {
  __shared__ float part[32];
  const int warps = static_cast<int>(blockDim.x) >> 5, lane = static_cast<int>(threadIdx.x) & 31;
  x = warp_max(x);
  __syncthreads();
  if (lane == 0) part[threadIdx.x >> 5] = x;
  __syncthreads();
  return warp_max(lane < warps ? part[lane] : part[0]);
}

// Sum over the lanes up to this one, itself included.
__device__ __forceinline__ int warp_prefix_sum(int x) {
  const int lane = static_cast<int>(threadIdx.x) & 31;
#pragma unroll
  for (int o = 1; o < 32; o <<= 1) {
    const int other = __shfl_up_sync(~0u, x, o);
    if (lane >= o) x += other;
  }
  return x;
}

// Enqueues a kernel that calls begin_kernel() or wait_for_previous().
template <typename... Parameters, typename... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes, Stream stream, const Arguments&... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  cudaLaunchAttribute overlap;
  overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  overlap.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  config.attrs = &overlap;
  config.numAttrs = kernels_overlap ? 1 : 0;
  cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);
}

// The same for a kernel that may take more shared memory than a launch gives unasked.
template <typename... Parameters, typename... Arguments>
void launch_with_memory(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes, Stream stream,
                        const Arguments&... arguments) {
  cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes));
  launch(kernel, grid, block, shared_bytes, stream, arguments...);
}

[[nodiscard]] inline unsigned blocks_of(std::int64_t n, std::int64_t size) { return static_cast<unsigned>((n + size - 1) / size); }

}  // namespace jang::kernels::cuda
