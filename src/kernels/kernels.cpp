// SPDX-License-Identifier: Apache-2.0
// The list of backends, fastest first.
#include "kernels/kernels.h"

#include "kernels/cpu/isa/isa.h"
#include "kernels/ref/encode.h"

namespace jang::kernels {

const std::vector<Backend>& backends() {
  static const std::vector<Backend> list = {
#if defined(__x86_64__)
    kAvx512,
    kAvx2,
#elif defined(__aarch64__)
    kNeon,
#endif
    {"ref", [] { return true; }, ref::encode_rtn, ref::encode_fit},
  };
  return list;
}

const Backend* find_backend(std::string_view name) {
  for (const Backend& b : backends())
    if ((name.empty() || b.name == name) && b.available()) return &b;
  return nullptr;
}

}  // namespace jang::kernels
