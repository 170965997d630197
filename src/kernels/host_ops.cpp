// SPDX-License-Identifier: Apache-2.0
// Host computations through the fastest instruction set.
#include "kernels/host_ops.h"

#include "kernels/instruction_set.h"

namespace jang::kernels {
namespace {

const Ops& fastest() {
  static const Ops& ops = *find_instruction_set()->ops;
  return ops;
}

}  // namespace

void dequantize_row(const MatrixView& w, std::int64_t row, float* out) { fastest().dequantize_row(w, row, out); }
double log_sum_exp(const float* x, std::int64_t n) { return fastest().log_sum_exp(x, n); }

}  // namespace jang::kernels
