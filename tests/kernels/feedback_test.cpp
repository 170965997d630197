// SPDX-License-Identifier: Apache-2.0
// Error feedback: the factor of a Gram matrix against its definition, every instruction set against ref/ bit for bit, the objective
// recomputed from the stored bytes and compared with the plain fit's. Widths and groups come from their tables.
#include "encoded.h"
#include "sets.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "base/thread_pool.h"
#include "codec/weight_format.h"
#include "kernels/gram.h"
#include "kernels/values.h"

namespace jang::kernels {
namespace {

std::vector<float> gaussian(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& v : values) v = normal(random);
  return values;
}

// E[x x^T] of inputs whose channels are correlated and of very different size; channel 3 is never seen.
std::vector<float> moments(std::int64_t n, std::int64_t n_tokens = 300) {
  const std::vector<float> noise = gaussian(static_cast<std::size_t>(n * n_tokens), 7),
                           common = gaussian(static_cast<std::size_t>(n_tokens), 8);
  std::vector<double> sum(static_cast<std::size_t>(n * n));
  std::vector<double> x(static_cast<std::size_t>(n));
  for (std::int64_t t = 0; t < n_tokens; ++t) {
    for (std::int64_t i = 0; i < n; ++i) {
      const double size = i == 3 ? 0 : i % 17 == 0 ? 20 : 1;
      x[static_cast<std::size_t>(i)] = size * (noise[static_cast<std::size_t>(t * n + i)] + 0.7 * common[static_cast<std::size_t>(t)]);
    }
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = 0; j < n; ++j)
        sum[static_cast<std::size_t>(i * n + j)] += x[static_cast<std::size_t>(i)] * x[static_cast<std::size_t>(j)];
  }
  std::vector<float> mean;
  for (const double s : sum) mean.push_back(static_cast<float>(s / static_cast<double>(n_tokens)));
  return mean;
}

struct Problem {
  const Gram* gram = nullptr;
  std::vector<float> weights, importance;
  std::int64_t n_rows = 0, in = 0;
  int bits = 0, group = 0;
  DType dtype = DType::bf16;
  codec::Kind kind = codec::Kind::affine;
};

Problem problem(const Gram& gram, std::int64_t n_rows, int bits, int group, DType dtype = DType::bf16,
                codec::Kind kind = codec::Kind::affine) {
  Problem p{&gram, gaussian(static_cast<std::size_t>(n_rows * gram.n), static_cast<unsigned>(bits)), {}, n_rows, gram.n, bits, group, dtype,
            kind};
  for (std::int64_t j = 0; j < gram.n; ++j) p.importance.push_back(gram.matrix.get()[j * gram.n + j]);
  return p;
}

Encoded encode(const Problem& p, Encode op) {
  EncodeArgs a;
  a.weights = p.weights.data();
  a.importance = p.importance.data();
  a.gram = p.gram;
  a.n_rows = p.n_rows;
  a.in = p.in;
  a.bits = p.bits;
  a.group_size = p.group;
  a.param_dtype = p.dtype;
  a.kind = p.kind;
  return encoded(a, op);
}

// tr(D H D^T) of what was stored, in double.
double objective(const Problem& p, const Encoded& e) {
  double total = 0;
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(p.in));
  std::vector<double> d(static_cast<std::size_t>(p.in));
  for (std::int64_t r = 0; r < p.n_rows; ++r) {
    codec::unpack(e.words.data() + r * codec::words_per_row(p.in, p.bits), p.bits, codes);
    for (std::int64_t j = 0; j < p.in; ++j) {
      const std::int64_t g = (r * p.in + j) / p.group;
      const double scale = load_value(p.dtype, e.scales.data(), g);
      d[static_cast<std::size_t>(j)] = static_cast<double>(codes[static_cast<std::size_t>(j)]) * scale +
                                       origin(e, p.kind, p.bits, p.dtype, g) - p.weights[static_cast<std::size_t>(r * p.in + j)];
    }
    for (std::int64_t i = 0; i < p.in; ++i)
      for (std::int64_t j = 0; j < p.in; ++j)
        total += d[static_cast<std::size_t>(i)] * p.gram->matrix.get()[i * p.in + j] * d[static_cast<std::size_t>(j)];
  }
  return total;
}

class FeedbackFormats : public testing::TestWithParam<codec::WeightFormat> {};

TEST_P(FeedbackFormats, every_instruction_set_gives_the_bits_of_the_reference) {
  const codec::WeightFormat& f = GetParam();
  const Result<Gram> gram = make_gram(moments(256), 256, nullptr);
  ASSERT_TRUE(gram.ok());
  const Problem p = problem(*gram, 19, f.bits, f.group_size, DType::bf16, f.kind);  // a whole block of rows and a part of one
  const Encoded expected = encode(p, find_instruction_set("ref")->encoders.feedback);
  int others = 0;
  for (const InstructionSet& set : instruction_sets())
    if (set.available() && set.name != "ref") {
      EXPECT_TRUE(encode(p, set.encoders.feedback) == expected) << set.name;
      ++others;
    }
  EXPECT_GT(others, 0);
}

TEST_P(FeedbackFormats, objective_is_that_of_the_bytes_and_below_the_weighted_fit) {
  const codec::WeightFormat& f = GetParam();
  const Result<Gram> gram = make_gram(moments(256), 256, nullptr);
  ASSERT_TRUE(gram.ok());
  const Problem p = problem(*gram, 24, f.bits, f.group_size, DType::bf16, f.kind);
  const Encoded e = encode(p, find_instruction_set()->encoders.feedback), fit = encode(p, find_instruction_set()->encoders.fit);
  const double found = objective(p, e);
  // The reported value is of float32 sums that were kept up to date code by code.
  EXPECT_NEAR(e.error.squared_error, found, found * 2e-3);
  EXPECT_LT(found, objective(p, fit) * 0.8);
}

std::string format_name(const testing::TestParamInfo<codec::WeightFormat>& test) {
  const std::string_view kind = test.param.kind == codec::Kind::affine         ? "affine_"
                                : test.param.kind == codec::Kind::integer_zero ? "integer_zero_"
                                : test.param.kind == codec::Kind::float_zero   ? "float_zero_"
                                                                               : "symmetric_";
  return std::string(kind) + std::to_string(test.param.bits) + "_bits_group_" + std::to_string(test.param.group_size);
}
INSTANTIATE_TEST_SUITE_P(Table, FeedbackFormats, testing::ValuesIn(codec::kFormats), format_name);

TEST(Feedback, storage_types_of_scales_are_kept) {
  const Result<Gram> gram = make_gram(moments(128), 128, nullptr);
  ASSERT_TRUE(gram.ok());
  for (const DType dtype : {DType::bf16, DType::f16, DType::f32}) {
    const Problem p = problem(*gram, 5, 4, 64, dtype);
    const Encoded e = encode(p, find_instruction_set()->encoders.feedback);
    EXPECT_TRUE(e == encode(p, find_instruction_set("ref")->encoders.feedback));
    const double found = objective(p, e);
    EXPECT_NEAR(e.error.squared_error, found, found * 2e-3);
  }
}

TEST(Feedback, rows_do_not_depend_on_their_neighbours) {
  const Result<Gram> gram = make_gram(moments(128), 128, nullptr);
  ASSERT_TRUE(gram.ok());
  const Problem all = problem(*gram, 37, 3, 32);
  const Encoded together = encode(all, find_instruction_set()->encoders.feedback);
  const auto words = static_cast<std::size_t>(codec::words_per_row(128, 3));
  for (std::int64_t r = 0; r < all.n_rows; ++r) {
    Problem one = all;
    one.n_rows = 1;
    one.weights.assign(all.weights.begin() + r * 128, all.weights.begin() + (r + 1) * 128);
    const Encoded alone = encode(one, find_instruction_set()->encoders.feedback);
    EXPECT_TRUE(std::equal(alone.words.begin(), alone.words.end(), together.words.begin() + r * static_cast<std::int64_t>(words))) << r;
  }
}

TEST(Feedback, degenerate_rows_are_stored_as_the_fit_stores_them) {
  const Result<Gram> gram = make_gram(moments(64), 64, nullptr);
  ASSERT_TRUE(gram.ok());
  Problem p = problem(*gram, 3, 4, 32);
  std::fill_n(p.weights.begin(), 64, 0.0f);
  std::fill_n(p.weights.begin() + 64, 64, -1.5f);
  std::fill_n(p.weights.begin() + 128, 64, 3e-41f);
  const Encoded e = encode(p, find_instruction_set()->encoders.feedback);
  EXPECT_TRUE(e == encode(p, find_instruction_set("ref")->encoders.feedback));
  EXPECT_NEAR(objective(p, e), 0, 1e-12);
}

class GramSizes : public testing::TestWithParam<std::int64_t> {};

TEST_P(GramSizes, factor_is_upper_and_its_square_the_inverse) {
  const std::int64_t n = GetParam();
  ThreadPool pool(2);
  const Result<Gram> gram = make_gram(moments(n), n, &pool), alone = make_gram(moments(n), n, nullptr);
  ASSERT_TRUE(gram.ok() && alone.ok());
  EXPECT_TRUE(std::equal(gram->factor.get(), gram->factor.get() + n * n, alone->factor.get()));
  // H U^T U = I: the factor is stored in float32, so an element is off by eps times the sizes of what is summed.
  const float *h = gram->matrix.get(), *u = gram->factor.get();
  std::vector<double> inverse(static_cast<std::size_t>(n * n));
  for (std::int64_t k = 0; k < n; ++k)
    for (std::int64_t i = k; i < n; ++i)
      for (std::int64_t j = k; j < n; ++j) inverse[static_cast<std::size_t>(i * n + j)] += static_cast<double>(u[k * n + i]) * u[k * n + j];
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < i; ++j) ASSERT_EQ(u[i * n + j], 0.0f);
    for (std::int64_t j = 0; j < n; ++j) {
      double sum = 0, size = 0;
      for (std::int64_t k = 0; k < n; ++k) {
        const double product = static_cast<double>(h[i * n + k]) * inverse[static_cast<std::size_t>(k * n + j)];
        sum += product;
        size += std::fabs(product);
      }
      ASSERT_NEAR(sum, i == j ? 1.0 : 0.0, 1e-5 * size + 1e-6) << i << " " << j;
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Table, GramSizes, testing::Values(32, 64, 96, 160, 224));

TEST(Gram, matrices_that_are_none_are_refused) {
  std::vector<float> m = moments(32);
  m[0] = NAN;
  EXPECT_EQ(make_gram(m, 32, nullptr).status().code(), StatusCode::corrupt);
  m = moments(32);
  m[5 * 32 + 6] = 1e9f;
  EXPECT_EQ(make_gram(m, 32, nullptr).status().code(), StatusCode::corrupt);
}

TEST(Gram, every_instruction_set_adds_the_sums_of_the_reference) {
  const std::int64_t n = 96, n_tokens = 77;
  alignas(64) static float x[77 * 96];
  const std::vector<float> values = gaussian(77 * 96, 3);
  std::ranges::copy(values, x);
  std::vector<float> expected(static_cast<std::size_t>(n * n), 0.5f);
  for (std::int64_t i = 0; i < n; i += 4) find_instruction_set("ref")->encoders.add_gram_rows(x, n_tokens, n, n, i, expected.data());
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = i; j < n; ++j) {
      double sum = 0.5, size = 0.5;
      for (std::int64_t t = 0; t < n_tokens; ++t) {
        const double product = static_cast<double>(x[t * n + i]) * x[t * n + j];
        sum += product;
        size += std::fabs(product);
      }
      ASSERT_NEAR(expected[static_cast<std::size_t>(i * n + j)], sum, size * 77 * 0x1p-24);
    }
  for (const InstructionSet& set : instruction_sets()) {
    if (!set.available()) continue;
    std::vector<float> found(static_cast<std::size_t>(n * n), 0.5f);
    for (std::int64_t i = 0; i < n; i += 4) set.encoders.add_gram_rows(x, n_tokens, n, n, i, found.data());
    EXPECT_TRUE(found == expected) << set.name;
  }
}

}  // namespace
}  // namespace jang::kernels
