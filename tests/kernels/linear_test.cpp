// SPDX-License-Identifier: Apache-2.0
// Exact linear kernels and dequantization: the reference against bits read one by one, every backend against the reference on every format
// and odd shape, the same bits for any batch and split of rows, and no read past the end of an array.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <memory>

#include "matrices.h"
#include "sets.h"

namespace jang::kernels {
namespace {

std::vector<const LinearKernel*> exact_kernels() {
  std::vector<const LinearKernel*> list;
  for (const LinearKernel* k : linear_kernels())
    if (k->precision == Precision::exact && k->available()) list.push_back(k);
  EXPECT_FALSE(list.empty());
  return list;
}

std::vector<float> random_inputs(std::int64_t n, std::int64_t n_cols, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, 1.0f);
  std::vector<float> x(static_cast<std::size_t>(n * n_cols));
  for (float& v : x) v = normal(random);
  return x;
}

struct Free {
  void operator()(std::byte* p) const { std::free(p); }
};

// y [n, n_rows] of a kernel.
std::vector<float> product(const LinearKernel& kernel, const MatrixView& w, const std::vector<float>& x, std::int64_t n) {
  const std::int64_t bytes = kernel.input_bytes(w.format, w.n_cols);
  EXPECT_EQ(bytes % 64, 0);
  std::unique_ptr<std::byte, Free> inputs(static_cast<std::byte*>(std::aligned_alloc(64, static_cast<std::size_t>(bytes * n))));
  for (std::int64_t i = 0; i < n; ++i) kernel.prepare(w.format, x.data() + i * w.n_cols, w.n_cols, inputs.get() + i * bytes);
  std::vector<float> y(static_cast<std::size_t>(n * w.n_rows), NAN);
  kernel.matmul(w, inputs.get(), n, y.data(), w.n_rows);
  return y;
}

// Sum of |w x| per output: what the rounding error of any order of summation is a small multiple of.
double magnitude(const MatrixView& w, std::int64_t row, const float* x) {
  std::vector<float> values(static_cast<std::size_t>(w.n_cols));
  find_ops("ref")->dequantize_row(w, row, values.data());
  double sum = 0;
  for (std::size_t c = 0; c < values.size(); ++c) sum += std::fabs(static_cast<double>(values[c]) * static_cast<double>(x[c]));
  return sum;
}

// Rounding steps an addend goes through, at most: 512 columns over two chains of at least four lanes, the tree over lanes, the blocks.
double tolerance(std::int64_t n_cols) {
  return (static_cast<double>(std::min<std::int64_t>(n_cols, 512)) / 8 + 8 + static_cast<double>(n_cols) / 512) * 0x1p-24;
}

void expect_close(const MatrixView& w, const std::vector<float>& x, const std::vector<float>& y, const std::vector<float>& expected) {
  ASSERT_EQ(y.size(), expected.size());
  for (std::size_t i = 0; i < y.size(); ++i) {
    const std::int64_t row = static_cast<std::int64_t>(i) % w.n_rows, input = static_cast<std::int64_t>(i) / w.n_rows;
    const double bound = tolerance(w.n_cols) * magnitude(w, row, x.data() + input * w.n_cols) + 1e-30;
    ASSERT_NEAR(static_cast<double>(y[i]), static_cast<double>(expected[i]), bound)
        << format_name(w.format) << " " << w.n_rows << "x" << w.n_cols << " row " << row << " input " << input;
  }
}

std::vector<std::int64_t> widths_of(const MatrixFormat& f) {
  if (f.packed()) return {f.group_size, 3 * f.group_size, 512, 1152};
  return {1, 7, 31, 32, 33, 100, 512, 519, 1030};
}

// One value of the matrix, its code read bit by bit.
double value_at(const MatrixView& w, std::int64_t row, std::int64_t column) {
  const auto load = [](DType t, const std::byte* base, std::int64_t i) {
    float f = 0;
    std::uint16_t h = 0;
    if (t == DType::f32) {
      std::memcpy(&f, base + i * 4, 4);
      return f;
    }
    std::memcpy(&h, base + i * 2, 2);
    return t == DType::bf16 ? bf16_to_float(h) : fp16_to_float(h);
  };
  if (!w.format.packed()) return static_cast<double>(load(w.format.dtype, w.data, row * w.n_cols + column));
  int code = 0;
  for (int k = 0; k < w.format.bits; ++k) {
    const std::int64_t bit = (row * w.n_cols + column) * w.format.bits + k;
    code |= (static_cast<int>(w.data[bit / 8]) >> (bit % 8) & 1) << k;
  }
  const std::int64_t group = (row * w.n_cols + column) / w.format.group_size;
  return code * static_cast<double>(load(w.format.param_dtype, w.scales, group)) +
         static_cast<double>(load(w.format.param_dtype, w.biases, group));
}

TEST(Linear, reference_matches_values_read_bit_by_bit) {
  for (const MatrixFormat& f : all_formats()) {
    const std::int64_t n_cols = f.packed() ? 2 * f.group_size : 37;
    const TestMatrix m(f, 3, n_cols, 1, 3);
    const std::vector<float> x = random_inputs(2, n_cols, 2);
    const std::vector<float> y = product(*find_linear(f, Precision::exact, "ref"), m.view(), x, 2);
    for (std::int64_t i = 0; i < 2; ++i) {
      for (std::int64_t r = 0; r < 3; ++r) {
        double sum = 0;
        for (std::int64_t c = 0; c < n_cols; ++c) sum += value_at(m.view(), r, c) * static_cast<double>(x[i * n_cols + c]);
        ASSERT_NEAR(static_cast<double>(y[i * 3 + r]), sum, 0x1p-23 * magnitude(m.view(), r, x.data() + i * n_cols)) << format_name(f);
      }
    }
  }
}

TEST(Linear, dequantize_row_is_the_same_bits_in_every_backend) {
  for (const MatrixFormat& f : all_formats()) {
    for (const std::int64_t n_cols : widths_of(f)) {
      const TestMatrix m(f, 3, n_cols, 3, 1);
      for (std::int64_t r = 0; r < 3; ++r) {
        std::vector<float> expected(static_cast<std::size_t>(n_cols) + 1, 7.0f);
        find_ops("ref")->dequantize_row(m.view(), r, expected.data());
        for (std::int64_t c = 0; c < n_cols; ++c) ASSERT_FLOAT_EQ(expected[c], static_cast<float>(value_at(m.view(), r, c)));
        for (const NamedOps* ops : op_tables()) {
          std::vector<float> row(expected.size(), 7.0f);  // the last one must stay
          ops->dequantize_row(m.view(), r, row.data());
          ASSERT_EQ(row, expected) << ops->name << " " << format_name(f) << " " << n_cols;
        }
      }
    }
  }
}

TEST(Linear, backends_match_the_reference) {
  for (const LinearKernel* kernel : exact_kernels()) {
    if (kernel->name == "ref") continue;
    for (const MatrixFormat& f : all_formats()) {
      ASSERT_TRUE(kernel->supports(f)) << format_name(f);
      for (const std::int64_t n_cols : widths_of(f)) {
        for (const auto& [n_rows, n] : {std::pair{1, 1}, {2, 3}, {7, 2}, {5, 8}, {4, 9}, {11, 13}}) {
          const TestMatrix m(f, n_rows, n_cols, 4, static_cast<std::size_t>(n % 4));
          const std::vector<float> x = random_inputs(n, n_cols, 5);
          expect_close(m.view(), x, product(*kernel, m.view(), x, n), product(*find_linear(f, Precision::exact, "ref"), m.view(), x, n));
        }
      }
    }
  }
}

TEST(Linear, more_rows_than_a_panel_match_the_reference) {
  const MatrixFormat f{DType::u32, 4, 64, DType::bf16};
  const TestMatrix m(f, 391, 1088, 6);
  const std::vector<float> x = random_inputs(10, 1088, 7);
  const std::vector<float> expected = product(*find_linear(f, Precision::exact, "ref"), m.view(), x, 10);
  for (const LinearKernel* kernel : exact_kernels()) expect_close(m.view(), x, product(*kernel, m.view(), x, 10), expected);
}

TEST(Linear, results_do_not_depend_on_batch_or_row_split) {
  for (const LinearKernel* kernel : exact_kernels()) {
    for (const MatrixFormat& f : all_formats()) {
      const std::int64_t n_rows = 9, n_cols = f.packed() ? 640 : 645, n = 17;
      const TestMatrix m(f, n_rows, n_cols, 8);
      const std::vector<float> x = random_inputs(n, n_cols, 9), whole = product(*kernel, m.view(), x, n);
      for (const std::int64_t part : {1, 2, 5, 8, 16}) {  // the first `part` inputs, rows in two pieces
        const std::vector<float> head(x.begin(), x.begin() + part * n_cols);
        for (const std::int64_t split : {1, 4, 8}) {
          const std::vector<float> a = product(*kernel, m.view().rows(0, split), head, part);
          const std::vector<float> b = product(*kernel, m.view().rows(split, n_rows - split), head, part);
          for (std::int64_t i = 0; i < part; ++i)
            for (std::int64_t r = 0; r < n_rows; ++r)
              ASSERT_EQ(whole[i * n_rows + r], r < split ? a[i * split + r] : b[i * (n_rows - split) + r - split])
                  << kernel->name << " " << format_name(f) << " batch " << part << " split " << split;
        }
      }
    }
  }
}

// Copies bytes to the end of readable memory: one byte further is a fault.
class AtPageEnd {
 public:
  AtPageEnd(const std::byte* bytes, std::int64_t n) {
    const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    size_ = (static_cast<std::size_t>(n) + page - 1) / page * page + page;
    base_ = static_cast<std::byte*>(mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    EXPECT_NE(base_, MAP_FAILED);
    data_ = base_ + size_ - page - n;
    if (n > 0) std::memcpy(data_, bytes, static_cast<std::size_t>(n));
    EXPECT_EQ(mprotect(base_ + size_ - page, page, PROT_NONE), 0);
  }
  ~AtPageEnd() { munmap(base_, size_); }
  AtPageEnd(const AtPageEnd&) = delete;
  AtPageEnd& operator=(const AtPageEnd&) = delete;
  [[nodiscard]] const std::byte* data() const { return data_; }

 private:
  std::byte* base_ = nullptr;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

TEST(Linear, nothing_is_read_past_the_end_of_an_array) {
  for (const MatrixFormat& f : all_formats()) {
    for (const std::int64_t n_cols : widths_of(f)) {
      const TestMatrix m(f, 3, n_cols, 10);
      MatrixView w = m.view();
      const AtPageEnd data(w.data, 3 * w.row_bytes()), scales(w.scales, 3 * w.param_row_bytes()), biases(w.biases, 3 * w.param_row_bytes());
      w.data = data.data();
      w.scales = scales.data();
      w.biases = biases.data();
      for (const std::int64_t n : {1, 3, 10}) {
        const std::vector<float> x = random_inputs(n, n_cols, 11);
        for (const LinearKernel* kernel : linear_kernels())
          if (kernel->available() && kernel->supports(f)) {
            EXPECT_EQ(product(*kernel, w, x, n), product(*kernel, m.view(), x, n)) << kernel->name;
          }
      }
      std::vector<float> row(static_cast<std::size_t>(n_cols));
      for (const NamedOps* ops : op_tables()) ops->dequantize_row(w, 2, row.data());
    }
  }
}

TEST(Linear, find_prefers_precision_then_speed_then_exact) {
  for (const MatrixFormat& f : all_formats()) {
    const LinearKernel* exact = find_linear(f, Precision::exact);
    ASSERT_NE(exact, nullptr);
    EXPECT_EQ(exact->precision, Precision::exact);
    EXPECT_NE(find_linear(f, Precision::fast), nullptr);
    EXPECT_EQ(find_linear(f, Precision::fast, "ref")->name, "ref");
    EXPECT_EQ(find_linear(f, Precision::exact, "no such"), nullptr);
  }
  EXPECT_EQ(find_linear({DType::i8}, Precision::exact), nullptr);
  EXPECT_EQ(find_linear({DType::u32, 7, 64, DType::bf16}, Precision::exact), nullptr);
  EXPECT_EQ(find_linear({DType::u32, 4, 48, DType::bf16}, Precision::exact), nullptr);
  EXPECT_EQ(find_linear({DType::u32, 4, 64, DType::i8}, Precision::fast), nullptr);
}

}  // namespace
}  // namespace jang::kernels
