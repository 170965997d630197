// SPDX-License-Identifier: Apache-2.0
// The table of weight formats: every row has the planes its formula needs, of the sizes the bytes add up to, and unpacks by its formula.
#include "codec/weight_format.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

#include "base/float16.h"

namespace jang::codec {
namespace {

constexpr std::int64_t kIn = 384;  // a multiple of every group

TEST(WeightFormat, every_kind_has_every_width_and_group_once) {
  EXPECT_EQ(kFormats.size(), kKinds.size() * kWidths.size() * kGroups.size());
  for (const WeightFormat& f : kFormats) EXPECT_EQ(find_format(f.kind, f.bits, f.group_size), &f);
  EXPECT_EQ(find_format(Kind::affine, 7, 64), nullptr);
  EXPECT_EQ(find_format(Kind::affine, 4, 48), nullptr);
}

TEST(WeightFormat, planes_hold_the_bits_of_a_row) {
  for (const WeightFormat& f : kFormats) {
    EXPECT_EQ(f.planes()[0].row_bytes(kIn, DType::bf16) * 8, kIn * f.bits);
    EXPECT_EQ(f.planes()[0].elements(kIn), words_per_row(kIn, f.bits));
    for (const Plane& p : f.planes().subspan(1)) EXPECT_EQ(p.elements(kIn), kIn / f.group_size) << p.name;
  }
  EXPECT_EQ(find_format(Kind::affine, 4, 64)->row_bytes(128, DType::bf16), 128 * 9 / 16);
  EXPECT_EQ(find_format(Kind::affine, 3, 32)->row_bytes(128, DType::f32), 128 * 5 / 8);
  EXPECT_EQ(find_format(Kind::symmetric, 4, 128)->row_bytes(128, DType::f16), 64 + 2);
  EXPECT_EQ(find_format(Kind::integer_zero, 8, 32)->row_bytes(128, DType::f16), 128 + 4 * 3);
  EXPECT_EQ(find_format(Kind::float_zero, 8, 32)->row_bytes(128, DType::f16), 128 + 4 * 4);
}

float store(DType params, float value, std::vector<std::byte>* out) {
  const std::size_t at = out->size();
  if (params == DType::f32) {
    out->resize(at + 4);
    std::memcpy(out->data() + at, &value, 4);
    return value;
  }
  const std::uint16_t half = params == DType::bf16 ? float_to_bf16(value) : float_to_fp16(value);
  out->resize(at + 2);
  std::memcpy(out->data() + at, &half, 2);
  return params == DType::bf16 ? bf16_to_float(half) : fp16_to_float(half);
}

TEST(WeightFormat, rows_unpack_by_the_formula) {
  std::mt19937 gen(7);
  std::normal_distribution<float> normal;
  for (const WeightFormat& f : kFormats)
    for (const DType params : {DType::bf16, DType::f16, DType::f32}) {
      std::vector<std::uint8_t> codes(kIn);
      for (auto& c : codes) c = static_cast<std::uint8_t>(gen() & static_cast<unsigned>(max_code(f.bits)));
      std::vector<std::uint32_t> words(static_cast<std::size_t>(words_per_row(kIn, f.bits)));
      pack(codes, f.bits, words.data());
      std::vector<std::byte> scales, third;
      std::vector<float> scale, offset;  // weight = code * scale + offset
      for (std::int64_t g = 0; g < kIn / f.group_size; ++g) {
        scale.push_back(store(params, normal(gen), &scales));
        const auto zero = static_cast<std::uint8_t>(gen() & static_cast<unsigned>(max_code(f.bits)));
        if (f.kind == Kind::affine) offset.push_back(store(params, normal(gen), &third));
        if (f.kind == Kind::float_zero) offset.push_back(-store(params, static_cast<float>(zero) + normal(gen), &third) * scale.back());
        if (f.kind == Kind::integer_zero) third.push_back(std::byte{zero});
        if (f.kind == Kind::integer_zero) offset.push_back(-static_cast<float>(zero) * scale.back());
        if (f.kind == Kind::symmetric) offset.push_back(-static_cast<float>(1 << (f.bits - 1)) * scale.back());
      }
      const std::byte* all[] = {reinterpret_cast<const std::byte*>(words.data()), scales.data(), third.data()};
      std::vector<float> row(kIn);
      unpack_row(f, std::span(all).first(f.planes().size()), params, kIn, row.data());
      for (std::int64_t i = 0; i < kIn; ++i) {
        const auto g = static_cast<std::size_t>(i / f.group_size);
        const float wanted = static_cast<float>(codes[static_cast<std::size_t>(i)]) * scale[g] + offset[g];
        EXPECT_NEAR(row[static_cast<std::size_t>(i)], wanted, 1e-5f * (std::abs(wanted) + 256 * std::abs(scale[g])))
            << static_cast<int>(f.kind) << " " << f.bits << "/" << f.group_size << " at " << i;
      }
    }
}

}  // namespace
}  // namespace jang::codec
