// SPDX-License-Identifier: Apache-2.0
// Encode ops: every backend against ref/ bit for bit, the fit against min/max in every group, degenerate groups, error sums.
// Widths, groups, backends come from their tables.
#include "encoded.h"
#include "sets.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "base/float16.h"
#include "codec/affine.h"

namespace jang::kernels {
namespace {

struct Problem {
  std::vector<float> weights, importance;
  std::int64_t n_rows = 0, in = 0;
  int bits = 0, group = 0;
  DType dtype = DType::bf16;
  codec::Kind kind = codec::Kind::affine;
};

Encoded run(const Problem& p, Encode op) {
  EncodeArgs a;
  a.weights = p.weights.data();
  a.importance = p.importance.empty() ? nullptr : p.importance.data();
  a.n_rows = p.n_rows;
  a.in = p.in;
  a.bits = p.bits;
  a.group_size = p.group;
  a.param_dtype = p.dtype;
  a.kind = p.kind;
  return encoded(a, op);
}

// Squared error of every group, decoded here with codec::unpack and double arithmetic.
std::vector<double> group_errors(const Problem& p, const Encoded& e) {
  std::vector<double> errors;
  const std::int64_t words = codec::words_per_row(p.group, p.bits);
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(p.group));
  for (std::int64_t g = 0; g < p.n_rows * p.in / p.group; ++g) {
    codec::unpack(e.words.data() + g * words, p.bits, codes);
    double error = 0;
    for (int j = 0; j < p.group; ++j) {
      const double h = p.importance.empty() ? 1.0 : p.importance[static_cast<std::size_t>((g * p.group + j) % p.in)];
      const double v = static_cast<double>(codes[j]) * load_value(p.dtype, e.scales.data(), g) + origin(e, p.kind, p.bits, p.dtype, g);
      error += h * std::pow(static_cast<double>(p.weights[static_cast<std::size_t>(g * p.group + j)]) - v, 2);
    }
    errors.push_back(error);
  }
  return errors;
}

Problem gaussian(std::int64_t n_rows, std::int64_t in, int bits, int group, DType dtype, bool weighted, unsigned seed = 1) {
  std::mt19937 gen(seed);
  std::normal_distribution<float> normal(0.0f, 0.05f);
  std::lognormal_distribution<float> lognormal(0.0f, 1.0f);
  Problem p{{}, {}, n_rows, in, bits, group, dtype, codec::Kind::affine};
  for (std::int64_t i = 0; i < n_rows * in; ++i) p.weights.push_back(bf16_to_float(float_to_bf16(normal(gen))));
  if (weighted)
    for (std::int64_t i = 0; i < in; ++i) p.importance.push_back(lognormal(gen));
  return p;
}

// Groups that break careless encoders, in bf16-representable values: constant, zero, signed zeros, denormal, one-signed, huge, one outlier.
std::vector<float> adversarial_groups(int group) {
  std::vector<float> w;
  const auto add = [&](auto f) {
    for (int j = 0; j < group; ++j) w.push_back(bf16_to_float(float_to_bf16(f(j))));
  };
  std::mt19937 gen(7);
  std::normal_distribution<float> n(0.0f, 1.0f);
  add([](int) { return 0.0f; });
  add([](int j) { return j % 2 ? 0.0f : -0.0f; });
  add([](int) { return 0.5f; });
  add([](int) { return -3.25f; });
  add([&](int) { return 1.0f + 0.1f * std::fabs(n(gen)); });
  add([&](int) { return -1.0f - 0.1f * std::fabs(n(gen)); });
  add([](int j) { return static_cast<float>(j) * 1e-40f; });
  add([&](int) { return n(gen) * 1e-30f; });
  add([](int j) { return j % 2 ? 65504.0f : -65504.0f; });
  add([](int j) { return j == 3 ? 1000.0f : 0.001f * static_cast<float>(j % 5); });
  add([](int j) { return j % 2 ? 1.0f : -1.0f; });
  add([](int j) { return static_cast<float>(j % 16) - 7.5f; });
  add([](int j) { return 1e30f * static_cast<float>(j); });
  add([](int j) { return j ? 1e-7f * static_cast<float>(j % 3) : 1e-6f; });
  add([](int j) { return 100.0f + (j == 1 ? 0.5f : 0.0f); });
  return w;
}

template <typename F>
void for_each_codec(F f) {
  for (const codec::Kind kind : codec::kKinds)
    for (const auto& width : codec::kWidths)
      for (const auto& group : codec::kGroups)
        for (const DType dtype : {DType::bf16, DType::f16, DType::f32}) f(kind, width.bits, group.size, dtype);
}

TEST(Encode, backends_equal_ref_bit_for_bit) {
  for (const InstructionSet& b : instruction_sets()) {
    if (!b.available()) {
      std::printf("skipped: no %s on this machine\n", std::string(b.name).c_str());
      continue;
    }
    for_each_codec([&](codec::Kind kind, int bits, int group, DType dtype) {
      for (const bool weighted : {false, true}) {
        Problem p = gaussian(19, 2 * group, bits, group, dtype, weighted);  // 19 rows: full and ragged blocks at every lane count
        p.kind = kind;
        for (std::size_t i = 0; i < p.weights.size(); i += 2) p.weights[i] *= 1.0001f;  // not representable in 16 bits: the cast matters
        EXPECT_TRUE(run(p, b.encoders.rtn) == run(p, instruction_sets().back().encoders.rtn)) << b.name << " rtn " << bits << "/" << group;
        EXPECT_TRUE(run(p, b.encoders.fit) == run(p, instruction_sets().back().encoders.fit)) << b.name << " fit " << bits << "/" << group;
      }
    });
  }
}

// The comparisons of this file run over these backends: with the reference alone they would compare it with itself.
TEST(Encode, this_machine_has_a_backend_beside_the_reference) {
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx2")) GTEST_SKIP() << "no AVX2 on this machine: only the reference is tested";
#elif !defined(__aarch64__)
  GTEST_SKIP() << "no backend for this kind of machine: only the reference is tested";
#endif
  int n = 0;
  for (const InstructionSet& b : instruction_sets()) n += b.available();
  EXPECT_GE(n, 2);
}

TEST(Encode, backends_equal_ref_on_adversarial_groups) {
  for (const InstructionSet& b : instruction_sets()) {
    if (!b.available()) continue;
    for_each_codec([&](codec::Kind kind, int bits, int group, DType dtype) {
      Problem p{adversarial_groups(group), {}, 0, group, bits, group, dtype, kind};
      if (dtype == DType::f16)  // larger values are refused before they reach the kernel
        for (float& w : p.weights) w = std::clamp(w, -65504.0f, 65504.0f);
      p.n_rows = static_cast<std::int64_t>(p.weights.size()) / group;
      EXPECT_TRUE(run(p, b.encoders.rtn) == run(p, instruction_sets().back().encoders.rtn)) << b.name << " rtn " << bits << "/" << group;
      EXPECT_TRUE(run(p, b.encoders.fit) == run(p, instruction_sets().back().encoders.fit)) << b.name << " fit " << bits << "/" << group;
    });
  }
}

TEST(Encode, fit_never_loses_to_rtn_in_any_group) {
  const InstructionSet* b = find_instruction_set();
  for_each_codec([&](codec::Kind kind, int bits, int group, DType dtype) {
    for (const bool weighted : {false, true}) {
      Problem p = gaussian(64, group, bits, group, dtype, weighted, 3);
      p.kind = kind;
      std::vector<float> hard = adversarial_groups(group);
      if (dtype == DType::f16)
        for (float& w : hard) w = std::clamp(w, -65504.0f, 65504.0f);
      p.weights.insert(p.weights.end(), hard.begin(), hard.end());
      p.n_rows = static_cast<std::int64_t>(p.weights.size()) / group;
      const std::vector<double> fit = group_errors(p, run(p, b->encoders.fit)), rtn = group_errors(p, run(p, b->encoders.rtn));
      for (std::size_t g = 0; g < fit.size(); ++g) EXPECT_LE(fit[g], rtn[g]) << bits << "/" << group << " group " << g;
    }
  });
}

TEST(Encode, fit_meets_the_gaussian_bars) {
  // Squared error over min/max at group 64, bf16 parameters; docs/numbers.md.
  const std::pair<int, double> bars[] = {{2, .66}, {3, .74}, {4, .79}, {5, .80}, {6, .80}, {8, .58}};
  const InstructionSet* b = find_instruction_set();
  for (const auto& [bits, bar] : bars) {
    const Problem p = gaussian(256, 1024, bits, 64, DType::bf16, false, 11);
    EXPECT_LT(run(p, b->encoders.fit).error.squared_error / run(p, b->encoders.rtn).error.squared_error, bar) << bits;
  }
}

// Beside the free bias: the measured ratios of the searches on Gaussian groups (docs/codecs.md), with a few percent of room.
TEST(Encode, integer_fits_meet_the_gaussian_bars) {
  struct Row {
    int bits;
    double integer_zero, symmetric;
  };
  const Row bars[] = {{2, 1.24, 1.24}, {3, 1.18, 1.19}, {4, 1.18, 1.26}, {5, 1.18, 1.35}, {6, 1.16, 1.37}, {8, 1.08, 1.30}};
  const InstructionSet* b = find_instruction_set();
  for (const Row& row : bars) {
    Problem p = gaussian(256, 1024, row.bits, 64, DType::bf16, false, 11);
    const double free = run(p, b->encoders.fit).error.squared_error;
    for (const codec::Kind kind : {codec::Kind::integer_zero, codec::Kind::symmetric}) {
      p.kind = kind;
      const double ratio = run(p, b->encoders.fit).error.squared_error / free, plain = run(p, b->encoders.rtn).error.squared_error / free;
      std::printf("%d bits, %s: fit %.3f, plain %.3f of the free bias's fit\n", row.bits,
                  kind == codec::Kind::symmetric ? "symmetric" : "integer zero", ratio, plain);
      EXPECT_LT(ratio, kind == codec::Kind::symmetric ? row.symmetric : row.integer_zero) << row.bits;
      EXPECT_LT(ratio, plain);
      EXPECT_GE(ratio, 1.0) << row.bits;
    }
  }
}

// A float zero point is a free bias but for its rounding: bf16 keeps 8 digits of a number up to 2^bits, so that at 8 bits it is a whole
// number mostly. The measured ratios (docs/codecs.md) with some room.
TEST(Encode, float_zeros_lose_to_the_free_bias_what_their_rounding_takes) {
  struct Row {
    int bits;
    double bf16, f16;
  };
  const Row bars[] = {{2, 1.004, 1.004}, {3, 1.004, 1.004}, {4, 1.004, 1.004}, {5, 1.006, 1.004}, {6, 1.012, 1.004}, {8, 1.05, 1.01}};
  const InstructionSet* b = find_instruction_set();
  for (const Row& row : bars)
    for (const DType dtype : {DType::bf16, DType::f16}) {
      Problem p = gaussian(256, 1024, row.bits, 64, dtype, false, 11);
      const double free = run(p, b->encoders.fit).error.squared_error;
      p.kind = codec::Kind::integer_zero;
      const double whole = run(p, b->encoders.fit).error.squared_error / free;
      p.kind = codec::Kind::float_zero;
      const double ratio = run(p, b->encoders.fit).error.squared_error / free, plain = run(p, b->encoders.rtn).error.squared_error / free;
      std::printf("%d bits, float zero in %s: fit %.4f, plain %.3f, whole zeros %.3f of the free bias's fit\n", row.bits,
                  std::string(name(dtype)).c_str(), ratio, plain, whole);
      EXPECT_LT(ratio, dtype == DType::bf16 ? row.bf16 : row.f16) << row.bits;
      EXPECT_LT(ratio, plain);
      EXPECT_LE(ratio, whole) << row.bits;
    }
}

TEST(Encode, zeros_are_codes_and_their_scales_not_negative) {
  const InstructionSet* b = find_instruction_set();
  for (const auto& width : codec::kWidths) {
    Problem p = gaussian(64, 512, width.bits, 32, DType::bf16, false, 13);
    p.kind = codec::Kind::integer_zero;
    for (const Encode op : {b->encoders.rtn, b->encoders.fit}) {
      const Encoded e = run(p, op);
      for (std::size_t g = 0; g < e.zeros.size(); ++g) {
        ASSERT_LE(e.zeros[g], codec::max_code(width.bits));
        ASSERT_GE(load_value(p.dtype, e.scales.data(), static_cast<std::int64_t>(g)), 0.0f);
      }
    }
  }
}

TEST(Encode, weighted_fit_beats_unweighted_on_the_weighted_error) {
  const InstructionSet* b = find_instruction_set();
  for (const auto& width : codec::kWidths) {
    Problem p = gaussian(64, 512, width.bits, 64, DType::bf16, true, 5);
    Problem unweighted = p;
    unweighted.importance.clear();
    const Encoded plain = run(unweighted, b->encoders.fit);
    double weighted_error_of_plain = 0;
    for (const double e : group_errors(p, plain)) weighted_error_of_plain += e;
    EXPECT_LT(run(p, b->encoders.fit).error.squared_error, 0.97 * weighted_error_of_plain) << width.bits;
  }
}

TEST(Encode, zero_importance_falls_back_to_unweighted_codes) {
  const InstructionSet* b = find_instruction_set();
  Problem p = gaussian(8, 128, 3, 64, DType::bf16, false);
  const Encoded plain = run(p, b->encoders.fit);
  p.importance.assign(128, 0.0f);
  const Encoded zero = run(p, b->encoders.fit);
  EXPECT_EQ(plain.words, zero.words);
  EXPECT_EQ(plain.scales, zero.scales);
}

TEST(Encode, error_equals_decoded_error_and_needs_no_output) {
  const InstructionSet* b = find_instruction_set();
  for_each_codec([&](codec::Kind kind, int bits, int group, DType dtype) {
    Problem p = gaussian(21, 2 * group, bits, group, dtype, true, 9);
    p.kind = kind;
    const Encoded e = run(p, b->encoders.fit);
    double sum = 0;
    for (const double x : group_errors(p, e)) sum += x;
    EXPECT_NEAR(e.error.squared_error, sum, 1e-12 * sum);
    EncodeArgs a;
    a.weights = p.weights.data();
    a.importance = p.importance.data();
    a.n_rows = p.n_rows;
    a.in = p.in;
    a.bits = bits;
    a.group_size = group;
    a.param_dtype = dtype;
    a.kind = kind;
    EXPECT_EQ(b->encoders.fit(a).squared_error, e.error.squared_error);
  });
}

TEST(Encode, constant_and_zero_groups_are_exact) {
  const InstructionSet* b = find_instruction_set();
  for_each_codec([&](codec::Kind kind, int bits, int group, DType dtype) {
    for (const float value : {0.0f, 0.5f, -3.25f, 65504.0f}) {
      if (bf16_to_float(float_to_bf16(value)) != value && dtype == DType::bf16) continue;
      const Problem p{std::vector<float>(static_cast<std::size_t>(group), value), {}, 1, group, bits, group, dtype, kind};
      EXPECT_EQ(run(p, b->encoders.fit).error.squared_error, 0.0) << value << " at " << bits << "/" << group;
    }
  });
}

}  // namespace
}  // namespace jang::kernels
