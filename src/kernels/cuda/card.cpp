// SPDX-License-Identifier: Apache-2.0
// Cards as the CUDA runtime sees them, and its errors in words.
#include "kernels/cuda/card.h"

#include "kernels/cuda/cuda.h"

namespace jang::kernels {
namespace cuda {
namespace {

// What helps against an error that no use of the program brings about by itself.
std::string remedy(cudaError_t error) {
  switch (error) {
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorUnsupportedPtxVersion:
      return "this build has no code for the card: build with -DJANG_CUDA_ARCHITECTURES= and its compute capability (`jang doctor` shows "
             "it)";
    case cudaErrorInsufficientDriver:
    case cudaErrorSystemDriverMismatch: return "install a newer NVIDIA driver";
    case cudaErrorDevicesUnavailable: return "another process holds the card alone; end it, or set its compute mode to default";
    case cudaErrorECCUncorrectable: return "the card's memory has failed; reset or replace it";
    default: return "run again; if it says the same, report it with what `jang doctor` prints";
  }
}

}  // namespace

std::string version_text(int version) { return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10); }

Status status_of(cudaError_t error, const std::string& what) {
  if (error == cudaSuccess) return {};
  const std::string said = what + ": " + cudaGetErrorString(error) + " (" + cudaGetErrorName(error) + ")";
  if (error == cudaErrorMemoryAllocation) return {StatusCode::out_of_memory, said};
  return {StatusCode::device, said + "; " + remedy(error)};
}

std::string why_no_card(cudaError_t error, int count) {
  int driver = 0;
  const bool asked = cudaDriverGetVersion(&driver) == cudaSuccess;
  if (asked && driver == 0)
    return "no NVIDIA driver is installed (libcuda.so.1 was not found); install one that supports CUDA " + version_text(CUDART_VERSION) +
           " or newer";
  if (error == cudaErrorInsufficientDriver)
    return "the NVIDIA driver supports CUDA " + version_text(driver) + ", this build needs " + version_text(CUDART_VERSION) +
           "; install a newer driver";
  if (error == cudaErrorNoDevice || (error == cudaSuccess && count == 0))
    return "the NVIDIA driver finds no card; see that `nvidia-smi` lists one and that CUDA_VISIBLE_DEVICES does not hide it";
  if (error != cudaSuccess) return status_of(error, "the NVIDIA driver cannot be used").message();
  return {};
}

}  // namespace cuda

Accelerators find_cuda_cards() {
  Accelerators found;
  found.built_in = true;
  found.runtime = CUDART_VERSION;
  cudaDriverGetVersion(&found.driver);
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  found.problem = cuda::why_no_card(error, count);
  cudaGetLastError();  // it was reported; later calls start clean
  for (int i = 0; found.problem.empty() && i < count; ++i) {
    cudaDeviceProp p;
    if (cudaGetDeviceProperties(&p, i) != cudaSuccess) continue;
    AcceleratorCard card;
    card.name = p.name;
    card.major = p.major;
    card.minor = p.minor;
    card.multiprocessors = p.multiProcessorCount;
    card.memory_bytes = p.totalGlobalMem;
    std::size_t free = 0, total = 0;
    if (cudaSetDevice(i) == cudaSuccess && cudaMemGetInfo(&free, &total) == cudaSuccess) card.free_bytes = free;
    found.cards.push_back(std::move(card));
  }
  if (count > 0) cudaSetDevice(0);
  return found;
}

}  // namespace jang::kernels
