// SPDX-License-Identifier: Apache-2.0
// Row-wise ops: the reference against closed forms, every backend against the reference at every length around its vectors.
#include "sets.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>

#include "base/float16.h"

namespace jang::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr std::int64_t kLengths[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 257, 1000};

std::vector<const NamedOps*> tables() {
  std::vector<const NamedOps*> list;
  for (const NamedOps* o : op_tables()) list.push_back(o);
  return list;
}
// Rounding steps as a relative error: half a unit in the last place of float32 each.
constexpr double roundings(double n) { return n * 0x1p-24; }
// Of a result that went through an exponential: reduction and polynomial (10), a sum, a quotient, two products; the reference's own two.
constexpr double kThroughExp = roundings(16);
// Where the reference is 0, so that no relative error can be: far below what any step of the formula rounds to.
constexpr double kNothing = 1e-30;

// Sums of n float32 run in chains of at least eight (two vectors of four lanes), then a tree: an addend is rounded so often at most.
double sum_roundings(std::int64_t n) { return static_cast<double>(n) / 8 + 8; }

double largest(const std::vector<float>& x) {
  double most = 0;
  for (const float v : x) most = std::max(most, std::fabs(static_cast<double>(v)));
  return most;
}

const NamedOps& ref() { return *find_ops("ref"); }

std::vector<float> random_row(std::int64_t n, unsigned seed, float scale = 1.0f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> x(static_cast<std::size_t>(n));
  for (float& v : x) v = normal(random);
  return x;
}

// |a - b| <= relative * |b| + absolute, element by element.
void expect_close(const std::vector<float>& a, const std::vector<float>& b, double relative, double absolute, std::string_view what) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i)
    ASSERT_NEAR(static_cast<double>(a[i]), static_cast<double>(b[i]), relative * std::fabs(static_cast<double>(b[i])) + absolute)
        << what << " element " << i << " of " << a.size();
}

TEST(Ops, tables_end_with_ref_and_are_found_by_name) {
  ASSERT_FALSE(op_tables().empty());
  EXPECT_EQ(op_tables().back()->name, "ref");
  EXPECT_EQ(find_ops("ref"), op_tables().back());
  EXPECT_EQ(find_ops("no such"), nullptr);
  EXPECT_EQ(find_ops(), tables().front());
}

// Every comparison below runs over these tables: with the reference alone they would compare it with itself.
TEST(Ops, this_machine_has_a_backend_beside_the_reference) {
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx2")) GTEST_SKIP() << "no AVX2 on this machine: only the reference is tested";
#elif !defined(__aarch64__)
  GTEST_SKIP() << "no backend for this kind of machine: only the reference is tested";
#endif
  EXPECT_GE(tables().size(), 2u);
}

TEST(Ops, rms_norm_of_equal_values_is_their_sign_times_weight) {
  for (const NamedOps* o : tables()) {
    const std::vector<float> x(48, -3.0f);
    std::vector<float> weight(48), out(48);
    std::iota(weight.begin(), weight.end(), 0.0f);
    o->rms_norm(x.data(), weight.data(), 48, 0.0f, 1.0f, out.data());
    for (std::size_t i = 0; i < 48; ++i) EXPECT_FLOAT_EQ(out[i], -(weight[i] + 1.0f)) << o->name;
    o->rms_norm(x.data(), nullptr, 48, 27.0f, 1.0f, out.data());  // mean square 9, and eps 27: sqrt(36)
    for (const float v : out) EXPECT_FLOAT_EQ(v, -0.5f) << o->name;
  }
}

TEST(Ops, rms_norm_matches_the_reference_also_in_place) {
  for (const std::int64_t n : kLengths) {
    const std::vector<float> x = random_row(n, 1, 3.0f), weight = random_row(n, 2);
    std::vector<float> expected(x.size());
    ref().rms_norm(x.data(), weight.data(), n, 1e-6f, 0.5f, expected.data());
    for (const NamedOps* o : tables()) {
      std::vector<float> out = x;
      o->rms_norm(out.data(), weight.data(), n, 1e-6f, 0.5f, out.data());
      // The root halves the error of the sum; quotient, root, reciprocal and two products come on top, on both sides. Where weight and
      // offset cancel, the products of about 1 that they are made of round in their own place.
      expect_close(out, expected, roundings(sum_roundings(n) / 2 + 10), roundings(2), o->name);
    }
  }
}

TEST(Ops, activations_have_their_known_values) {
  for (const NamedOps* o : tables()) {
    const std::vector<float> gate = {0.0f, 1.0f, -1.0f, 20.0f, -20.0f, 200.0f, -200.0f}, up(7, 2.0f);
    std::vector<float> out(7);
    o->silu_mul(gate.data(), up.data(), 7, out.data());
    expect_close(out, {0.0f, 1.46211716f, -0.537882843f, 40.0f, -8.2446144e-8f, 400.0f, 0.0f}, kThroughExp, kNothing, o->name);
    o->gelu_mul(gate.data(), up.data(), 7, out.data());
    expect_close(out, {0.0f, 1.68238399f, -0.317616018f, 40.0f, 0.0f, 400.0f, 0.0f}, kThroughExp, kNothing, o->name);
    std::vector<float> x(7, 2.0f);
    o->sigmoid_mul(x.data(), gate.data(), 7);
    expect_close(x, {1.0f, 1.46211716f, 0.537882843f, 2.0f, 4.1223072e-9f, 2.0f, 0.0f}, kThroughExp, kNothing, o->name);
  }
}

TEST(Ops, activations_match_the_reference_also_in_place) {
  for (const std::int64_t n : kLengths) {
    const std::vector<float> gate = random_row(n, 3, 4.0f), up = random_row(n, 4);
    std::vector<float> silu(gate.size()), gelu(gate.size()), sigmoid = up, sum = gate;
    ref().silu_mul(gate.data(), up.data(), n, silu.data());
    ref().gelu_mul(gate.data(), up.data(), n, gelu.data());
    ref().sigmoid_mul(sigmoid.data(), gate.data(), n);
    ref().add(sum.data(), up.data(), n);
    for (const NamedOps* o : tables()) {
      std::vector<float> out = gate;
      o->silu_mul(out.data(), up.data(), n, out.data());
      expect_close(out, silu, kThroughExp, kNothing, o->name);
      out = up;
      o->silu_mul(gate.data(), out.data(), n, out.data());
      expect_close(out, silu, kThroughExp, kNothing, o->name);
      out = gate;
      o->gelu_mul(out.data(), up.data(), n, out.data());
      // e^-2z: each of the four roundings of z counts |2z| times, and |2z| is below 40 before the result is below 4 * 10^-9, which the
      // absolute part covers.
      expect_close(out, gelu, roundings(4 * 40) + kThroughExp, 4e-9, o->name);
      out = up;
      o->sigmoid_mul(out.data(), gate.data(), n);
      expect_close(out, sigmoid, kThroughExp, kNothing, o->name);
      out = gate;
      o->add(out.data(), up.data(), n);
      EXPECT_EQ(out, sum) << o->name;
    }
  }
}

TEST(Ops, rope_turns_pairs) {
  for (const NamedOps* o : tables()) {
    for (const std::int64_t half : kLengths) {
      const std::vector<float> x = random_row(2 * half, 5);
      std::vector<float> cos(x.size() / 2), sin(x.size() / 2), turned = x, expected = x;
      for (std::size_t j = 0; j < cos.size(); ++j) {
        cos[j] = std::cos(static_cast<float>(j));
        sin[j] = std::sin(static_cast<float>(j));
      }
      o->rope(turned.data(), cos.data(), sin.data(), half);
      ref().rope(expected.data(), cos.data(), sin.data(), half);
      // Two products and a sum, on both sides; the sum may cancel, so the error is one of the products.
      expect_close(turned, expected, 0, roundings(6) * largest(x), o->name);
      for (float& s : sin) s = -s;
      o->rope(turned.data(), cos.data(), sin.data(), half);  // and back
      // Two turns, and cos^2 + sin^2 is 1 to within four roundings only.
      expect_close(turned, x, 0, roundings(16) * largest(x), o->name);
    }
    std::vector<float> unit = {1.0f, 0.0f};
    const float zero = 0.0f, one = 1.0f;
    o->rope(unit.data(), &zero, &one, 1);  // a quarter turn
    EXPECT_EQ(unit, (std::vector<float>{0.0f, 1.0f}));
  }
}

TEST(Ops, softmax_and_log_sum_exp_of_equal_values) {
  for (const NamedOps* o : tables()) {
    std::vector<float> x(100, -1000.0f);
    EXPECT_NEAR(o->log_sum_exp(x.data(), 100), -1000.0 + std::log(100.0), 1000 * 0x1p-50) << o->name;  // double
    x[17] = -kInfinity;
    o->softmax(x.data(), 100);
    for (std::size_t i = 0; i < 100; ++i) EXPECT_FLOAT_EQ(x[i], i == 17 ? 0.0f : 1.0f / 99) << o->name;
    EXPECT_EQ(x[17], 0.0f) << o->name;
  }
}

TEST(Ops, softmax_of_nothing_visible_is_zero) {
  for (const NamedOps* o : tables()) {
    std::vector<float> x(20, -kInfinity);
    EXPECT_EQ(o->log_sum_exp(x.data(), 20), -static_cast<double>(kInfinity)) << o->name;
    o->softmax(x.data(), 20);
    EXPECT_EQ(x, std::vector<float>(20, 0.0f)) << o->name;
    EXPECT_EQ(o->log_sum_exp(x.data(), 0), -static_cast<double>(kInfinity)) << o->name;
    o->softmax(x.data(), 0);
  }
}

TEST(Ops, softmax_matches_the_reference) {
  for (const std::int64_t n : kLengths) {
    const std::vector<float> x = random_row(n, 6, 5.0f);
    std::vector<float> expected = x;
    ref().softmax(expected.data(), n);
    for (const NamedOps* o : tables()) {
      std::vector<float> out = x;
      o->softmax(out.data(), n);
      // x - max, up to 30, is rounded on the way into the exponential; the sum's errors are random and hardly add up. Below 10^-12 nothing
      // of the sum is left.
      expect_close(out, expected, roundings(30 + 4) + kThroughExp, 1e-12, o->name);
    }
  }
}

TEST(Ops, log_sum_exp_is_exact_over_a_vocabulary) {
  for (const std::int64_t n : {std::int64_t{1}, std::int64_t{50257}, std::int64_t{262144}}) {
    const std::vector<float> x = random_row(n, 7, 3.0f);
    const double expected = ref().log_sum_exp(x.data(), n);
    // The sum is in double: what is left is the relative error of the exponentials, which the logarithm makes an absolute one.
    for (const NamedOps* o : tables()) EXPECT_NEAR(o->log_sum_exp(x.data(), n), expected, kThroughExp) << o->name << " " << n;
  }
}

TEST(Ops, reference_log_sum_exp_matches_a_sum_without_shift) {
  const std::vector<float> x = random_row(1000, 8);
  double sum = 0;
  for (const float v : x) sum += std::exp(static_cast<double>(v));
  EXPECT_NEAR(ref().log_sum_exp(x.data(), 1000), std::log(sum), 1000 * 0x1p-50);  // a thousand additions in double
}

TEST(Ops, exponentials_keep_nan_and_extremes) {
  for (const NamedOps* o : tables()) {
    std::vector<float> x = {0.0f, NAN, 1.0f};
    o->silu_mul(x.data(), x.data(), 3, x.data());
    EXPECT_EQ(x[0], 0.0f) << o->name;
    EXPECT_TRUE(std::isnan(x[1])) << o->name;
    std::vector<float> far = {0.0f, -104.0f, -87.0f, -1e30f, -kInfinity};
    o->softmax(far.data(), 5);
    EXPECT_EQ(far[0], 1.0f) << o->name;
    EXPECT_LT(far[1], 1e-44f) << o->name;
    EXPECT_NEAR(static_cast<double>(far[2]), 1.6458115e-38, 1e-43) << o->name;  // the digits given, and exp(-87) near the denormals
    EXPECT_EQ(far[3], 0.0f) << o->name;
    EXPECT_EQ(far[4], 0.0f) << o->name;
  }
}

std::vector<std::byte> stored(const Ops& o, KvType type, const std::vector<float>& x) {
  const std::int64_t n = static_cast<std::int64_t>(x.size());
  std::vector<std::byte> row(static_cast<std::size_t>(kv_row_bytes(type, n)) + 1, std::byte{0x5a});
  o.kv_store(type, x.data(), n, row.data());
  EXPECT_EQ(row.back(), std::byte{0x5a});  // not a byte more
  row.pop_back();
  return row;
}

TEST(Ops, kv_store_is_the_same_bytes_in_every_backend) {
  for (const KvType type : {KvType::f32, KvType::f16, KvType::bf16, KvType::q8}) {
    for (const std::int64_t n : kLengths) {
      for (const float scale : {1.0f, 1e-30f, 1e5f, 0.0f}) {
        const std::vector<float> x = random_row(n, 9, scale);
        for (const NamedOps* o : tables()) EXPECT_EQ(stored(*o, type, x), stored(ref(), type, x)) << o->name << " " << n;
      }
    }
  }
  const std::vector<float> odd = {NAN, -NAN, kInfinity, -kInfinity, 65519.0f, 65520.0f, 3.3961e38f, 1e-45f, 6e-8f, -0.0f};
  for (const KvType type : {KvType::f32, KvType::f16, KvType::bf16})
    for (const NamedOps* o : tables()) EXPECT_EQ(stored(*o, type, odd), stored(ref(), type, odd)) << o->name;
}

TEST(Ops, kv_store_q8_rounds_to_the_nearest_code) {
  const std::vector<float> x = {127.0f, -127.0f, 0.5f, 1.5f, -63.25f, 0.0f};
  const std::vector<std::byte> row = stored(ref(), KvType::q8, x);
  const int expected[] = {127, -127, 0, 2, -63, 0};
  for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(static_cast<int>(static_cast<std::int8_t>(row[i])), expected[i]);
  float scale = 0;
  std::memcpy(&scale, row.data() + 6, 4);
  EXPECT_EQ(scale, 1.0f);
}

}  // namespace
}  // namespace jang::kernels
