// SPDX-License-Identifier: Apache-2.0
// The fast linear kernels against products in double over codes unpacked by the codec. With x = dx * xq + e per group, |e| <= dx/2, the
// error is at most sum |w| dx/2 plus float rounding of the sums; activations that int8 represents exactly leave the rounding only. Rows
// kept in 16 bits: |e| <= dx/256, or half of that again where the lowest low byte was left out.
// Widths and groups come from the codec's tables.
#include "sets.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "base/float16.h"
#include "codec/dispatch.h"
#include "kernels/cpu/generic/linear_input.h"

namespace jang::kernels {
namespace {

// Those of the registry: a kernel that is added is tested.
std::vector<const LinearKernel*> fast_kernels() {
  std::vector<const LinearKernel*> list;
  for (const LinearKernel* k : linear_kernels())
    if (k->precision == Precision::fast && k->available()) list.push_back(k);
  return list;
}

TEST(LinearFast, this_machine_has_a_fast_kernel) {
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx2")) GTEST_SKIP() << "no AVX2 on this machine: no fast kernel is tested";
#elif !defined(__aarch64__)
  GTEST_SKIP() << "no fast kernel for this kind of machine";
#endif
  EXPECT_FALSE(fast_kernels().empty());
}

// One table decides on widths and groups: what is not a row of it is denied by every kernel, so that a model is refused when it is loaded.
TEST(LinearFast, kernels_support_the_rows_of_the_codec_tables_and_nothing_else) {
  for (const LinearKernel* k : linear_kernels()) {
    for (int bits = -1; bits <= 33; ++bits)
      for (const int group : {-32, 0, 1, 16, 31, 32, 48, 64, 96, 128, 256, 512})
        for (const DType type : {DType::f16, DType::bf16, DType::f32, DType::u8}) {
          const bool known = codec::is_width(bits) && codec::is_group(group) && type != DType::u8;
          EXPECT_EQ(k->supports({DType::u32, bits, group, type}), known) << k->name << " " << bits << " bits, group " << group;
        }
  }
  int n_widths = 0, n_groups = 0;
  for (int n = -1; n <= 512; ++n) {
    n_widths += codec::with_width(n, [&]<int kBits>() { EXPECT_EQ(kBits, n); });
    n_groups += codec::with_group(n, [&]<int kSize>() { EXPECT_EQ(kSize, n); });
  }
  EXPECT_EQ(n_widths, static_cast<int>(codec::kWidths.size()));
  EXPECT_EQ(n_groups, static_cast<int>(codec::kGroups.size()));
}

constexpr DType kParamTypes[] = {DType::f16, DType::bf16, DType::f32};

// Bytes that end where a page without access begins, after `shift` bytes of padding at the front: an access past the end is a fault.
class GuardedBytes {
 public:
  explicit GuardedBytes(std::span<const std::byte> content) {
    const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    size_ = (content.size() + page - 1) / page * page + page;
    void* p = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(p, MAP_FAILED);
    base_ = static_cast<std::byte*>(p);
    EXPECT_EQ(mprotect(base_ + size_ - page, page, PROT_NONE), 0);
    data_ = base_ + size_ - page - content.size();
    if (!content.empty()) std::memcpy(data_, content.data(), content.size());
  }
  GuardedBytes(const GuardedBytes&) = delete;
  GuardedBytes& operator=(const GuardedBytes&) = delete;
  ~GuardedBytes() { munmap(base_, size_); }
  [[nodiscard]] const std::byte* data() const { return data_; }

 private:
  std::byte *base_ = nullptr, *data_ = nullptr;
  std::size_t size_ = 0;
};

struct Matrix {
  MatrixFormat format;
  std::int64_t n_rows = 0, n_cols = 0;
  std::vector<std::uint8_t> codes;
  std::vector<float> scales, biases;  // as stored
  std::vector<std::byte> words, scale_bytes, bias_bytes;

  [[nodiscard]] MatrixView view() const { return {format, n_rows, n_cols, words.data(), scale_bytes.data(), bias_bytes.data()}; }
  [[nodiscard]] double weight(std::int64_t r, std::int64_t c) const {
    const std::int64_t g = r * (n_cols / format.group_size) + c / format.group_size;
    return static_cast<double>(codes[static_cast<std::size_t>(r * n_cols + c)]) * scales[static_cast<std::size_t>(g)] +
           biases[static_cast<std::size_t>(g)];
  }
};

std::vector<std::byte> store(std::vector<float>& values, DType dtype) {
  std::vector<std::byte> bytes(values.size() * static_cast<std::size_t>(size_bytes(dtype)));
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (dtype == DType::f32) {
      std::memcpy(bytes.data() + 4 * i, &values[i], 4);
      continue;
    }
    const std::uint16_t h = dtype == DType::bf16 ? float_to_bf16(values[i]) : float_to_fp16(values[i]);
    values[i] = dtype == DType::bf16 ? bf16_to_float(h) : fp16_to_float(h);
    std::memcpy(bytes.data() + 2 * i, &h, 2);
  }
  return bytes;
}

Matrix random_matrix(MatrixFormat format, std::int64_t n_rows, std::int64_t n_cols, std::mt19937& random) {
  Matrix m{format, n_rows, n_cols, {}, {}, {}, {}, {}, {}};
  m.codes.resize(static_cast<std::size_t>(n_rows * n_cols));
  for (std::uint8_t& c : m.codes) c = static_cast<std::uint8_t>(random() & static_cast<unsigned>(codec::max_code(format.bits)));
  const std::size_t n_groups = static_cast<std::size_t>(n_rows * n_cols / format.group_size);
  std::uniform_real_distribution<float> uniform(0.5f, 1.5f);
  for (std::size_t i = 0; i < n_groups; ++i) {
    m.scales.push_back(uniform(random) * (random() % 4 == 0 ? -0.01f : 0.01f));
    m.biases.push_back(-uniform(random) * m.scales.back() * static_cast<float>(codec::max_code(format.bits)) / 2);
  }
  m.scale_bytes = store(m.scales, format.param_dtype);
  m.bias_bytes = store(m.biases, format.param_dtype);
  std::vector<std::uint32_t> words(static_cast<std::size_t>(n_rows * codec::words_per_row(n_cols, format.bits)));
  codec::pack(m.codes, format.bits, words.data());
  m.words.resize(words.size() * 4);
  if (!words.empty()) std::memcpy(m.words.data(), words.data(), m.words.size());
  return m;
}

// Whole numbers with a 127 in every group: dx = 1 and no quantization error.
std::vector<float> exact_input(std::int64_t n, int group_size, std::mt19937& random) {
  std::vector<float> x(static_cast<std::size_t>(n));
  for (float& v : x) v = static_cast<float>(static_cast<int>(random() % 255) - 127);
  for (std::size_t g = 0; g < x.size(); g += static_cast<std::size_t>(group_size))
    x[g + random() % static_cast<unsigned>(group_size)] = random() % 2 == 0 ? 127.0f : -127.0f;
  return x;
}

// Every second row of a set has outliers.
std::vector<float> normal_input(std::int64_t n, bool outliers, std::mt19937& random) {
  std::normal_distribution<float> normal(0.0f, 1.0f);
  std::vector<float> x(static_cast<std::size_t>(n));
  for (float& v : x) v = normal(random);
  for (std::size_t i = 0; outliers && i < x.size(); ++i) x[i] *= i % 32 == 5 || random() % 64 == 0 ? 50.0f : 1.0f;
  return x;
}

// Prepared rows of x [n, n_cols], 64-byte aligned.
class Prepared {
 public:
  Prepared(const LinearKernel& kernel, const MatrixFormat& format, const std::vector<float>& x, std::int64_t n_cols)
      : stride_(kernel.input_bytes(format, n_cols)), bytes_(static_cast<std::size_t>(stride_) * (x.size() / n_cols) + 64) {
    EXPECT_EQ(stride_ % 64, 0);
    data_ = bytes_.data() + (64 - reinterpret_cast<std::uintptr_t>(bytes_.data()) % 64) % 64;
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(x.size()) / n_cols; ++i)
      kernel.prepare(format, x.data() + i * n_cols, n_cols, data_ + i * stride_);
  }
  [[nodiscard]] const std::byte* row(std::int64_t i) const { return data_ + i * stride_; }
  [[nodiscard]] std::byte* row(std::int64_t i) { return data_ + i * stride_; }

 private:
  std::int64_t stride_;
  std::vector<std::byte> bytes_;
  std::byte* data_;
};

struct Expected {
  double value = 0, quantization = 0, magnitude = 0;
};

Expected expected(const Matrix& m, std::int64_t r, const float* x) {
  Expected e;
  const int group = m.format.group_size;
  for (std::int64_t g = 0; g < m.n_cols / group; ++g) {
    double max = 0, weights = 0;
    const std::size_t param = static_cast<std::size_t>(r * (m.n_cols / group) + g);
    for (std::int64_t c = g * group; c < (g + 1) * group; ++c) {
      const double w = m.weight(r, c), v = x[c];
      e.value += w * v;
      e.magnitude += std::abs(v) * (std::abs(w - m.biases[param]) + std::abs(static_cast<double>(m.biases[param])));
      max = std::max(max, std::abs(v));
      weights += std::abs(w);
    }
    e.quantization += weights * (max / 127) * 0.5 * (1 + 1e-5);  // rounding at 0.5 is decided in float
  }
  return e;
}

// Each group passes a few roundings, the sum over groups as many as there are groups.
double rounding(const Expected& e, std::int64_t n_groups) { return e.magnitude * static_cast<double>(n_groups + 16) * 0x1p-24; }

void check(const LinearKernel& kernel, const Matrix& m, const MatrixView& view, const std::vector<float>& x, bool exact) {
  const std::int64_t n = static_cast<std::int64_t>(x.size()) / m.n_cols, y_stride = m.n_rows + 3;
  const Prepared inputs(kernel, m.format, x, m.n_cols);
  std::vector<float> y(static_cast<std::size_t>(n * y_stride), -7.0f);
  kernel.matmul(view, inputs.row(0), n, y.data(), y_stride);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t r = 0; r < y_stride; ++r) {
      const float got = y[static_cast<std::size_t>(i * y_stride + r)];
      if (r >= m.n_rows) {
        ASSERT_EQ(got, -7.0f) << "written outside the result";
        continue;
      }
      const Expected e = expected(m, r, x.data() + i * m.n_cols);
      const bool wide = generic::is_wide(inputs.row(i), generic::InputLayout(m.n_cols, m.format.group_size));
      const double quantization = exact ? 0 : wide ? e.quantization * 3 / 256 : e.quantization;
      const double allowed = rounding(e, m.n_cols / m.format.group_size) + quantization;
      ASSERT_NEAR(got, e.value, allowed) << kernel.name << " bits " << m.format.bits << " group " << m.format.group_size << " params "
                                         << name(m.format.param_dtype) << " rows " << m.n_rows << " columns " << m.n_cols << " inputs " << n
                                         << " row " << r << " input " << i;
    }
}

// f(format) for every width, group and parameter type.
template <typename F>
void for_each_format(const F& f) {
  for (const codec::WidthRow& width : codec::kWidths)
    for (const codec::GroupRow& group : codec::kGroups)
      for (const DType dtype : kParamTypes) f(MatrixFormat{DType::u32, width.bits, group.size, dtype});
}

std::vector<float> inputs_of(std::int64_t n, std::int64_t n_cols, int group_size, bool exact, std::mt19937& random) {
  std::vector<float> x;
  for (std::int64_t i = 0; i < n; ++i) {
    const std::vector<float> row = exact ? exact_input(n_cols, group_size, random) : normal_input(n_cols, i % 2 == 1, random);
    x.insert(x.end(), row.begin(), row.end());
  }
  return x;
}

TEST(LinearFast, kernels_support_every_packed_format_and_nothing_else) {
  for (const LinearKernel* k : fast_kernels()) {
    for_each_format([&](const MatrixFormat& f) { EXPECT_TRUE(k->supports(f)); });
    EXPECT_FALSE(k->supports({DType::u32, 7, 64, DType::f16}));
    EXPECT_FALSE(k->supports({DType::u32, 4, 48, DType::f16}));
    EXPECT_FALSE(k->supports({DType::u32, 4, 64, DType::u8}));
    EXPECT_FALSE(k->supports({DType::f32, 0, 0, DType::f32}));
    EXPECT_EQ(k->precision, Precision::fast);
  }
}

TEST(LinearFast, whole_numbers_give_the_product_within_rounding) {
  std::mt19937 random(1);
  for (const LinearKernel* k : fast_kernels())
    for_each_format([&](const MatrixFormat& f) {
      struct Size {
        std::int64_t rows, groups;
      };
      for (const Size size : {Size{1, 1}, {3, 2}, {17, 3}, {35, 5}, {2, 16}, {19, 17}, {4, 37}}) {
        const Matrix m = random_matrix(f, size.rows, size.groups * f.group_size, random);
        const std::int64_t n = 1 + static_cast<std::int64_t>(random() % 10);
        check(*k, m, m.view(), inputs_of(n, m.n_cols, f.group_size, true, random), true);
        if (testing::Test::HasFatalFailure()) return;
      }
    });
}

TEST(LinearFast, every_number_of_inputs_agrees_with_double) {
  std::mt19937 random(2);
  for (const LinearKernel* k : fast_kernels())
    for (const codec::WidthRow& width : codec::kWidths)
      for (const codec::GroupRow& group : codec::kGroups) {
        const MatrixFormat f{DType::u32, width.bits, group.size, DType::bf16};
        const Matrix m = random_matrix(f, 5, 9 * group.size, random);
        for (std::int64_t n = 1; n <= 20; ++n) {
          check(*k, m, m.view(), inputs_of(n, m.n_cols, f.group_size, false, random), false);
          if (testing::Test::HasFatalFailure()) return;
        }
      }
}

TEST(LinearFast, long_rows_agree_with_double) {
  std::mt19937 random(3);
  for (const LinearKernel* k : fast_kernels())
    for (const codec::WidthRow& width : codec::kWidths)
      for (const codec::GroupRow& group : codec::kGroups) {
        const MatrixFormat f{DType::u32, width.bits, group.size, DType::f16};
        const Matrix m = random_matrix(f, 1, 14336 + group.size, random);
        for (const std::int64_t n : {1, 2, 9}) {
          check(*k, m, m.view(), inputs_of(n, m.n_cols, f.group_size, false, random), false);
          check(*k, m, m.view(), inputs_of(n, m.n_cols, f.group_size, true, random), true);
          if (testing::Test::HasFatalFailure()) return;
        }
      }
}

// Inputs beyond one chunk of the tiled form, so that columns are split and partial sums go through y.
TEST(LinearFast, many_inputs_agree_with_few) {
  std::mt19937 random(4);
  for (const LinearKernel* k : fast_kernels())
    for (const codec::WidthRow& width : codec::kWidths) {
      const MatrixFormat f{DType::u32, width.bits, 64, DType::bf16};
      const Matrix m = random_matrix(f, 3, 2048 + 64, random);
      const std::int64_t n = 600, few = 16;
      const std::vector<float> x = inputs_of(n, m.n_cols, 64, false, random);
      const Prepared inputs(*k, f, x, m.n_cols);
      std::vector<float> all(static_cast<std::size_t>(n * m.n_rows)), part(static_cast<std::size_t>(few * m.n_rows));
      k->matmul(m.view(), inputs.row(0), n, all.data(), m.n_rows);
      for (const std::int64_t first : {0, 300, 584}) {
        k->matmul(m.view(), inputs.row(first), few, part.data(), m.n_rows);
        for (std::size_t i = 0; i < part.size(); ++i) ASSERT_EQ(part[i], all[static_cast<std::size_t>(first * m.n_rows) + i]) << k->name;
      }
    }
}

TEST(LinearFast, results_do_not_depend_on_the_split_of_rows) {
  std::mt19937 random(5);
  for (const LinearKernel* k : fast_kernels())
    for_each_format([&](const MatrixFormat& f) {
      const Matrix m = random_matrix(f, 37, 21 * f.group_size, random);
      for (const std::int64_t n : {1, 3, 11}) {
        const Prepared inputs(*k, f, inputs_of(n, m.n_cols, f.group_size, false, random), m.n_cols);
        std::vector<float> whole(static_cast<std::size_t>(n * m.n_rows)), parts = whole;
        k->matmul(m.view(), inputs.row(0), n, whole.data(), m.n_rows);
        for (std::int64_t r = 0; r < m.n_rows;) {
          const std::int64_t count = std::min<std::int64_t>(1 + static_cast<std::int64_t>(random() % 20), m.n_rows - r);
          k->matmul(m.view().rows(r, count), inputs.row(0), n, parts.data() + r, m.n_rows);
          r += count;
        }
        ASSERT_EQ(whole, parts) << k->name << " bits " << f.bits << " group " << f.group_size << " inputs " << n;
      }
    });
}

TEST(LinearFast, results_do_not_depend_on_the_other_inputs) {
  std::mt19937 random(6);
  for (const LinearKernel* k : fast_kernels())
    for (const codec::WidthRow& width : codec::kWidths)
      for (const codec::GroupRow& group : codec::kGroups) {
        const MatrixFormat f{DType::u32, width.bits, group.size, DType::f16};
        const Matrix m = random_matrix(f, 18, 6 * group.size, random);
        const Prepared inputs(*k, f, inputs_of(20, m.n_cols, f.group_size, false, random), m.n_cols);
        std::vector<float> one(static_cast<std::size_t>(m.n_rows)), y(static_cast<std::size_t>(20 * m.n_rows));
        std::vector<float> large;
        for (std::int64_t n = 2; n <= 20; ++n) {
          k->matmul(m.view(), inputs.row(20 - n), n, y.data(), m.n_rows);
          const std::vector<float> last(y.begin() + static_cast<std::ptrdiff_t>((n - 1) * m.n_rows),
                                        y.begin() + static_cast<std::ptrdiff_t>(n * m.n_rows));
          k->matmul(m.view(), inputs.row(19), 1, one.data(), m.n_rows);
          if (n >= generic::kPrefillFrom && large.empty()) large = last;
          ASSERT_EQ(last, n >= generic::kPrefillFrom ? large : one) << k->name << " bits " << f.bits << " inputs " << n;
        }
      }
}

// A row of 8 bits next to one of 16 takes the path of 16 with low bytes of zero: the same bits.
TEST(LinearFast, a_narrow_input_gives_the_same_bits_when_taken_as_wide) {
  std::mt19937 random(9);
  for (const LinearKernel* k : fast_kernels())
    for_each_format([&](const MatrixFormat& f) {
      const Matrix m = random_matrix(f, 18, 19 * f.group_size, random);
      for (const std::int64_t n : {1, 3, 10}) {
        std::vector<float> x;
        for (std::int64_t i = 0; i < n; ++i) {
          const std::vector<float> row = normal_input(m.n_cols, false, random);
          x.insert(x.end(), row.begin(), row.end());
        }
        Prepared inputs(*k, f, x, m.n_cols);
        const generic::InputLayout layout(m.n_cols, f.group_size);
        std::vector<float> narrow(static_cast<std::size_t>(n * m.n_rows)), wide = narrow;
        ASSERT_FALSE(generic::is_wide(inputs.row(0), layout));
        k->matmul(m.view(), inputs.row(0), n, narrow.data(), m.n_rows);
        for (std::int64_t i = 0; i < n; ++i) inputs.row(i)[layout.wide] = std::byte{1};
        ASSERT_TRUE(generic::is_wide(inputs.row(0), layout));
        k->matmul(m.view(), inputs.row(0), n, wide.data(), m.n_rows);
        ASSERT_EQ(narrow, wide) << k->name << " bits " << f.bits << " group " << f.group_size << " inputs " << n;
      }
    });
}

TEST(LinearFast, rows_with_outliers_are_wide_and_normal_ones_are_not) {
  std::mt19937 random(10);
  for (const codec::GroupRow& group : codec::kGroups)
    for (int i = 0; i < 50; ++i) {
      const std::int64_t n = 4096;
      std::vector<float> x = normal_input(n, false, random);
      EXPECT_FALSE(generic::needs_wide(x.data(), n, group.size));
      for (std::int64_t c = 0; c < n; c += 128) x[static_cast<std::size_t>(c)] = 10;
      EXPECT_TRUE(generic::needs_wide(x.data(), n, group.size) || group.size < 128);
      EXPECT_TRUE(generic::needs_wide(normal_input(n, true, random).data(), n, group.size));
      // What was decided is what the rounding does to the row.
      double lost = 0, total = 0;
      for (std::int64_t c = 0; c < n; c += group.size) {
        std::int8_t xq[128];
        const double dx = static_cast<double>(generic::quantize_group(x.data() + c, static_cast<std::size_t>(group.size), xq, nullptr));
        for (int j = 0; j < group.size; ++j) {
          const double v = x[static_cast<std::size_t>(c + j)], e = v - dx * xq[j];
          lost += e * e;
          total += v * v;
        }
      }
      const double error = std::sqrt(lost / total), limit = static_cast<double>(generic::kNarrowError);
      if (std::abs(error / limit - 1) > 0.1) {
        EXPECT_EQ(error > limit, generic::needs_wide(x.data(), n, group.size)) << error;
      }
    }
  const std::vector<float> zeros(256, 0.0f);
  EXPECT_FALSE(generic::needs_wide(zeros.data(), 256, 64));
}

TEST(LinearFast, arrays_are_not_read_past_their_end_at_any_alignment) {
  std::mt19937 random(7);
  for (const LinearKernel* k : fast_kernels())
    for_each_format([&](const MatrixFormat& f) {
      for (const std::int64_t groups : {1, 3, 18})
        for (const std::int64_t n : {1, 2, 9}) {
          const bool exact = random() % 2 == 0;
          const Matrix m = random_matrix(f, 3, groups * f.group_size, random);
          const GuardedBytes words(m.words), scales(m.scale_bytes), biases(m.bias_bytes);
          MatrixView view{f, m.n_rows, m.n_cols, words.data(), scales.data(), biases.data()};
          const std::vector<float> x = inputs_of(n, m.n_cols, f.group_size, exact, random);
          check(*k, m, view, x, exact);
          // One byte off: no address is a multiple of two.
          std::vector<std::byte> shifted(m.words.size() + 1);
          std::memcpy(shifted.data() + 1, m.words.data(), m.words.size());
          std::vector<std::byte> shifted_scales(m.scale_bytes.size() + 1);
          std::memcpy(shifted_scales.data() + 1, m.scale_bytes.data(), m.scale_bytes.size());
          view.data = shifted.data() + 1;
          view.scales = shifted_scales.data() + 1;
          check(*k, m, view, x, exact);
          if (testing::Test::HasFatalFailure()) return;
        }
    });
}

TEST(LinearFast, zero_tiny_and_not_finite_inputs_are_defined) {
  std::mt19937 random(8);
  for (const LinearKernel* k : fast_kernels())
    for (const std::int64_t n : {1, 10}) {
      const MatrixFormat f{DType::u32, 4, 64, DType::bf16};
      const Matrix m = random_matrix(f, 4, 256, random);
      std::vector<float> y(static_cast<std::size_t>(n * m.n_rows));
      const auto run = [&](float value) {
        std::vector<float> x(static_cast<std::size_t>(n * m.n_cols), 0.0f);
        for (std::size_t i = 70; i < x.size(); i += static_cast<std::size_t>(m.n_cols)) x[i] = value;
        const Prepared inputs(*k, f, x, m.n_cols);
        k->matmul(m.view(), inputs.row(0), n, y.data(), m.n_rows);
      };
      for (const float value : {0.0f, -0.0f, 1e-44f, 1e-37f}) {
        run(value);
        for (const float v : y) EXPECT_NEAR(v, 0.0f, 1e-35f);  // weights are below 10: 100 times the largest input
      }
      for (const float value : {INFINITY, -INFINITY, NAN}) {
        run(value);
        for (const float v : y) EXPECT_TRUE(std::isnan(v));
      }
      run(1e38f);
      for (std::size_t i = 0; i < y.size(); ++i) {
        const double product = m.weight(static_cast<std::int64_t>(i) % m.n_rows, 70) * 1e38;
        // One weight of one group counts; code, scale, bias and dx are a handful of roundings, and the bias takes away half of the product.
        EXPECT_NEAR(y[i], product, std::abs(product) * 1e-5);
      }
    }
}

}  // namespace
}  // namespace jang::kernels
