// SPDX-License-Identifier: Apache-2.0
// Measures linear kernels against the memory of this machine: products of matrices that no cache holds, and a plain read of the same
// memory beside every one of them.
//
// Weights are cycled through a set larger than the caches ("cold"), as a model's are while it generates. A sample is a pass over some of
// the matrices with the rows of each split evenly over the threads, and a read probe of about as many bytes just before and just after;
// speed of kernel over mean speed of the two probes is the sample's ratio. Medians are reported, so a disturbed sample does not count.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "kernels/ops.h"

namespace jang::kernels {

struct KernelBenchOptions {
  std::vector<const LinearKernel*> kernels;  // each measured where it is available and supports the format
  std::vector<MatrixFormat> formats;
  std::int64_t n_rows = 4096, n_cols = 4096;
  std::vector<std::int64_t> inputs = {1};  // rows of x of one product
  bool outliers = false;                   // x has some, so that the fast kernels keep it in 16 bits
  int threads = 1;
  std::int64_t cold_bytes = std::int64_t{512} << 20;
  int samples = 101;  // at most
};

struct KernelBenchRow {
  std::string_view op;  // "matvec" for one input, "matmul" for more
  MatrixFormat format;
  std::int64_t n_inputs = 0;
  int threads = 0;
  double gbps = 0;    // 1e9 bytes of codes, scales and biases a second
  double ratio = 0;   // to the read probe
  double gflops = 0;  // 2 * n_rows * n_cols * n_inputs / time
  std::string_view kernel;
};

struct KernelBench {
  double read_gbps = 0;  // median of all probes
  std::vector<KernelBenchRow> rows;
};

// Takes cold_bytes of memory. Preconditions: n_cols is a multiple of every group size, sizes and counts are positive.
[[nodiscard]] KernelBench bench_kernels(const KernelBenchOptions& options);

// Median speed of plain reads of memory that no cache holds, in 1e9 bytes/s.
[[nodiscard]] double read_gbps(int threads);

}  // namespace jang::kernels
