// SPDX-License-Identifier: Apache-2.0
// The measuring code: what is measured and how it is counted, on sizes that take no time. Speeds themselves are not tested.
#include "kernels/kernel_bench.h"

#include <gtest/gtest.h>

#include <cmath>

namespace jang::kernels {
namespace {

// A kernel that writes what it was asked for into y: bits + inputs, in the rows that it was given.
LinearKernel counting_kernel() {
  LinearKernel k;
  k.name = "counting";
  k.available = [] { return true; };
  k.supports = [](const MatrixFormat& f) { return f.packed() && f.bits != 3; };
  k.input_bytes = [](const MatrixFormat&, std::int64_t n_cols) { return (n_cols * 4 + 63) / 64 * 64; };
  k.prepare = [](const MatrixFormat&, const float*, std::int64_t, std::byte*) {};
  k.matmul = [](const MatrixView& w, const std::byte* inputs, std::int64_t n, float* y, std::int64_t y_stride) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(inputs) % 64, 0u);
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t r = 0; r < w.n_rows; ++r) y[i * y_stride + r] = static_cast<float>(w.format.bits);
  };
  return k;
}

KernelBenchOptions small(const LinearKernel& kernel) {
  KernelBenchOptions o;
  o.kernels = {&kernel};
  for (const codec::WidthRow& width : codec::kWidths) o.formats.push_back({DType::u32, width.bits, 64, DType::bf16});
  o.n_rows = 7;  // not divisible by the threads
  o.n_cols = 256;
  o.inputs = {1, 3};
  o.cold_bytes = 1 << 16;
  o.samples = 3;
  return o;
}

TEST(KernelBench, rows_cover_supported_formats_and_inputs_in_order) {
  const LinearKernel kernel = counting_kernel();
  for (const int threads : {1, 2, 3}) {
    KernelBenchOptions o = small(kernel);
    o.threads = threads;
    const KernelBench bench = bench_kernels(o);
    EXPECT_GT(bench.read_gbps, 0);
    ASSERT_EQ(bench.rows.size(), 2 * (codec::kWidths.size() - 1));  // 3 bits are not supported
    for (std::size_t i = 0; i < bench.rows.size(); ++i) {
      const KernelBenchRow& row = bench.rows[i];
      EXPECT_EQ(row.op, row.n_inputs == 1 ? "matvec" : "matmul");
      EXPECT_EQ(row.n_inputs, i < bench.rows.size() / 2 ? 1 : 3);
      EXPECT_NE(row.format.bits, 3);
      EXPECT_EQ(row.threads, threads);
      EXPECT_EQ(row.kernel, "counting");
      EXPECT_TRUE(row.gbps > 0 && row.ratio > 0 && std::isfinite(row.ratio));
    }
  }
}

TEST(KernelBench, bytes_and_operations_belong_together) {
  const LinearKernel kernel = counting_kernel();
  for (const KernelBenchRow& row : bench_kernels(small(kernel)).rows) {
    const double bytes = 7 * (256.0 * row.format.bits / 8 + 256.0 / 64 * 4), flop = 2 * 7 * 256.0 * static_cast<double>(row.n_inputs);
    EXPECT_NEAR(row.gflops / row.gbps, flop / bytes, 1e-9);
  }
}

}  // namespace
}  // namespace jang::kernels
