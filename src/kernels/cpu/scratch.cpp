// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/scratch.h"

#include <memory>
#include <new>

namespace jang::kernels {
namespace {

struct Release {
  void operator()(float* p) const { ::operator delete[](p, std::align_val_t{64}); }
};

}  // namespace

float* scratch(std::int64_t n_floats) {
  thread_local std::unique_ptr<float[], Release> block;
  thread_local std::int64_t size = 0;
  if (n_floats > size) {
    block.reset();
    block.reset(static_cast<float*>(::operator new[](static_cast<std::size_t>(n_floats) * sizeof(float), std::align_val_t{64})));
    size = n_floats;
  }
  return block.get();
}

}  // namespace jang::kernels
