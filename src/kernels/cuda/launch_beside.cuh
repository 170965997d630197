// SPDX-License-Identifier: Apache-2.0
// Launching the kernels of a decoding step. Their blocks can come onto a multiprocessor beside those of the kernel in front, if there is
// room and both have asked for the same split of its memory into cache and shared memory.
//
// What such a kernel reads before wait_for_previous() is weights, and what copies brought: a copy waits for all kernels in front of it, and
// those behind it for the copy.
#pragma once

#include "kernels/cuda/device_code.cuh"

namespace jang::kernels::cuda {

template <typename... Parameters, typename... Arguments>
void launch_beside(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes, Stream stream,
                   const Arguments&... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  cudaLaunchAttribute attributes[2];
  attributes[0].id = cudaLaunchAttributePreferredSharedMemoryCarveout;
  attributes[0].val.sharedMemCarveout = 100;
  attributes[1].id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attributes[1].val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  config.attrs = attributes;
  config.numAttrs = kernels_overlap ? 2 : 0;
  cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);
}

}  // namespace jang::kernels::cuda
