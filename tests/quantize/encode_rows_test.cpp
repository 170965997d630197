// SPDX-License-Identifier: Apache-2.0
// Rows drawn anywhere in a stack of experts are encoded as each would be alone, with what is known of its own expert.
#include "quantize/encode_rows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "codec/affine.h"
#include "kernels/devices.h"

namespace jang::quantize {
namespace {

constexpr std::int64_t kExperts = 4, kOut = 6, kIn = 64;

struct Encoded {
  explicit Encoded(std::size_t n) : words(n * static_cast<std::size_t>(codec::words_per_row(kIn, 3))), scales(n * 4), biases(n * 4) {}
  std::vector<std::uint32_t> words;
  std::vector<std::byte> scales, biases;  // float32, one group a row
};

class EncodeRows : public ::testing::Test {
 protected:
  void SetUp() override {
    arch::OutTensor t;
    t.name = "experts.weight";
    t.module = t.canonical = t.unit = "experts";
    t.shape = shape_;
    t.quantizable = true;
    model_.tensors.push_back(t);
    format::Statistics statistics;
    statistics.model = fingerprint(model_);
    format::InputStatistics& in = statistics.inputs["experts"];
    for (std::int64_t e = 0; e < kExperts; ++e) {
      in.tokens.push_back(100000);  // enough that experts keep their own
      for (std::int64_t j = 0; j < kIn; ++j) in.mean_square.push_back(j % kExperts == e ? 100.0f : 0.01f);
    }
    importance_ = Importance::create(model_, statistics).value();
    device_ = kernels::open_device({}, nullptr).value();
    for (std::int64_t i = 0; i < kExperts * kOut * kIn; ++i) weights_.push_back(std::sin(0.7f * static_cast<float>(i * i % 977)));
  }

  // Rows of the tensor, one behind the other.
  kernels::EncodeError encode(const std::vector<std::int64_t>& which, const RowsOf& rows, Encoded* out) const {
    std::vector<float> values;
    for (const std::int64_t r : which) values.insert(values.end(), weights_.begin() + r * kIn, weights_.begin() + (r + 1) * kIn);
    kernels::EncodeArgs a;
    a.weights = values.data();
    a.n_rows = static_cast<std::int64_t>(which.size());
    a.in = kIn;
    a.bits = 3;
    a.group_size = 64;
    a.param_dtype = DType::f32;
    a.words = out->words.data();
    a.scales = out->scales.data();
    a.biases = out->biases.data();
    return encode_rows(*device_, plan::Method::fit, a, rows, {&importance_, nullptr});
  }

  Shape shape_{kExperts, kOut, kIn};
  arch::Model model_;
  Importance importance_;
  std::unique_ptr<kernels::Device> device_;
  std::vector<float> weights_;
};

TEST_F(EncodeRows, drawn_rows_are_cut_at_the_borders_of_experts) {
  const std::vector<std::vector<std::int64_t>> draws = {{0, 5, 6, 7, 11, 17, 18, 23}, {5}, {6}, {0, 1, 2, 3, 4, 5},
                                                        {2, 20, 21, 22, 23},          {23}};
  for (const std::vector<std::int64_t>& drawn : draws) {
    Encoded together(drawn.size());
    const kernels::EncodeError all = encode(drawn, {0, shape_, 0, 1, drawn}, &together);
    double error = 0, norm = 0;
    for (std::size_t i = 0; i < drawn.size(); ++i) {
      Encoded alone(1);
      const kernels::EncodeError one = encode({drawn[i]}, {0, shape_, drawn[i], 1}, &alone);
      error += one.squared_error;
      norm += one.squared_norm;
      const std::size_t words = alone.words.size();
      EXPECT_TRUE(std::equal(alone.words.begin(), alone.words.end(), together.words.begin() + static_cast<std::ptrdiff_t>(i * words)))
          << drawn[i];
      EXPECT_TRUE(std::equal(alone.scales.begin(), alone.scales.end(), together.scales.begin() + static_cast<std::ptrdiff_t>(i * 4)));
      EXPECT_TRUE(std::equal(alone.biases.begin(), alone.biases.end(), together.biases.begin() + static_cast<std::ptrdiff_t>(i * 4)));
    }
    EXPECT_NEAR(all.squared_error, error, 1e-9 * error);
    EXPECT_NEAR(all.squared_norm, norm, 1e-9 * norm);
  }
}

TEST_F(EncodeRows, drawn_rows_at_a_stride_are_those_of_the_stride) {
  const std::vector<std::int64_t> every_fifth = {1, 6, 11, 16, 21};
  Encoded a(5), b(5);
  encode(every_fifth, {0, shape_, 1, 5}, &a);
  encode(every_fifth, {0, shape_, 0, 1, every_fifth}, &b);
  EXPECT_EQ(a.words, b.words);
  EXPECT_EQ(a.scales, b.scales);
}

}  // namespace
}  // namespace jang::quantize
