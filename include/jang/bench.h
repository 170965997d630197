// SPDX-License-Identifier: Apache-2.0
// Speed: of a whole model as llama-bench measures it, and of the linear kernels beside a plain read of memory.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "jang/export.h"
#include "jang/model.h"
#include "jang/observer.h"
#include "jang/status.h"

namespace jang {

struct BenchOptions {
  std::int64_t n_prompt = 512, n_generate = 128;  // tokens of ppN and tgN; 0: leave the test out
  int repetitions = 5;                            // behind one that is not counted
  Observer* observer = nullptr;                   // info() tells when an automatic cache had to be widened; may be null
  const CancelFlag* cancel = nullptr;
};

struct ModelBenchRow {
  std::string test;                       // "pp512", "tg128"
  std::vector<double> tokens_per_second;  // of every repetition
  double mean = 0, deviation = 0;         // sample standard deviation
  // tg only: weight bytes a token reads times mean tokens/s, in 1e9 bytes/s; and its part of the read speed of the same run.
  double gbps = 0, ratio = 0;
};

struct ModelBench {
  double read_gbps = 0;  // plain read of memory, same threads, between the tests
  std::int64_t bytes_per_token = 0;
  std::vector<ModelBenchRow> rows;
};

// Errors: those of the model; cancelled.
[[nodiscard]] JANG_API Result<ModelBench> bench_model(const Model& model, const BenchOptions& options = {});

struct KernelBenchOptions {
  std::int64_t n_rows = 4096, n_columns = 4096;  // of the matrices; columns a multiple of 64
  int threads = 0;                               // 0: all that this process may use
  bool quick = false;                            // fewer inputs and samples
  bool outliers = false;                         // inputs that fast kernels keep in 16 bits
};

struct KernelBenchRow {
  std::string_view op;  // "matvec" for one input, "matmul" for more
  int bits = 0, group_size = 0;
  std::int64_t n_inputs = 0;
  int threads = 0;
  double gbps = 0;   // 1e9 bytes of codes, scales and biases a second
  double ratio = 0;  // to a plain read just before and after
  double gflops = 0;
  std::string_view kernel;
};

struct KernelBench {
  double read_gbps = 0;
  int threads = 0;
  std::uint64_t cold_bytes = 0;  // weights taken in turn, more than any cache holds
  std::vector<KernelBenchRow> rows;
};

// Takes about 512 MB of memory and some minutes; seconds when quick. Errors: invalid_argument (sizes).
[[nodiscard]] JANG_API Result<KernelBench> bench_kernels(const KernelBenchOptions& options = {});

}  // namespace jang
