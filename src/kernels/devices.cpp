// SPDX-License-Identifier: Apache-2.0
// The list of devices: the instruction sets of the CPU, and NVIDIA cards where they are built in.
#include "kernels/devices.h"

#include <string>

#include "kernels/cpu/cpu_device.h"
#ifdef JANG_HAS_CUDA
#include "kernels/cuda/cuda.h"
#endif

namespace jang::kernels {

Result<std::unique_ptr<Device>> open_device(std::string_view name, ThreadPool* pool) {
#ifdef JANG_HAS_CUDA
  if (name == kCudaName) return open_cuda_device(pool);
#endif
  const InstructionSet* set = find_instruction_set(name);
  if (set != nullptr) return std::unique_ptr<Device>(std::make_unique<CpuDevice>(*set, pool));
  std::string available;
  for (const InstructionSet& s : instruction_sets())
    if (s.available()) available += (available.empty() ? "" : ", ") + std::string(s.name);
  return Status(StatusCode::unsupported,
                "backend '" + std::string(name) + "' is unknown or not available on this machine; available: " + available);
}

}  // namespace jang::kernels
