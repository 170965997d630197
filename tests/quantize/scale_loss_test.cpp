// SPDX-License-Identifier: Apache-2.0
// The loss of rescaled rows is the plain sum over their decoded errors, for every method, with a Gram matrix and with its diagonal alone.
#include "quantize/scale_loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "codec/affine.h"
#include "kernels/devices.h"

namespace jang::quantize {
namespace {

constexpr std::int64_t kLossRows = 5, kInputs = 64;
constexpr int kBits = 3, kGroup = 32;

class ScaleLoss : public ::testing::Test {
 protected:
  ScaleLoss() {
    std::mt19937 random(17);
    std::normal_distribution<float> normal;
    weights_.resize(kLossRows * kInputs);
    for (float& w : weights_) w = normal(random);
    std::vector<float> upper(kInputs * kInputs);
    for (int t = 0; t < 300; ++t) {
      std::vector<float> x(kInputs);
      for (std::size_t c = 0; c < kInputs; ++c) x[c] = normal(random) * (c % 7 == 0 ? 4.0f : 0.5f) + (c > 0 ? 0.6f * x[c - 1] : 0.0f);
      for (std::size_t i = 0; i < kInputs; ++i)
        for (std::size_t j = i; j < kInputs; ++j) upper[i * kInputs + j] += x[i] * x[j] / 300;
    }
    gram_ = kernels::make_gram(upper, kInputs, nullptr).value();
    for (std::size_t c = 0; c < kInputs; ++c) {
      importance_.push_back(gram_.matrix.get()[c * kInputs + c]);
      factors_.push_back(c % 7 == 0 ? 2.0f : 0.75f);
    }
    scaled_ = scaled_gram(gram_, factors_.data()).value();
    device_ = kernels::open_device({}, nullptr).value();
  }

  // Decoded errors in the channels of the model, summed up plainly.
  double expected(kernels::EncodeMethod method, bool rescaled, bool with_gram) {
    std::vector<float> scaled = weights_, importance = importance_;
    for (std::size_t i = 0; rescaled && i < scaled.size(); ++i) scaled[i] *= factors_[i % kInputs];
    for (std::size_t c = 0; rescaled && c < kInputs; ++c) importance[c] /= factors_[c] * factors_[c];
    std::vector<std::uint32_t> words(static_cast<std::size_t>(kLossRows * codec::words_per_row(kInputs, kBits)));
    std::vector<float> scales(kLossRows * kInputs / kGroup), biases(scales.size());
    kernels::EncodeArgs a;
    a.weights = scaled.data();
    a.importance = method == kernels::EncodeMethod::fit ? importance.data() : nullptr;
    a.gram = method == kernels::EncodeMethod::feedback ? (rescaled ? &scaled_ : &gram_) : nullptr;
    a.n_rows = kLossRows;
    a.in = kInputs;
    a.bits = kBits;
    a.group_size = kGroup;
    a.param_dtype = DType::f32;
    a.words = words.data();
    a.scales = reinterpret_cast<std::byte*>(scales.data());
    a.biases = reinterpret_cast<std::byte*>(biases.data());
    (void)device_->encode(method, a);
    std::vector<double> d(weights_.size());
    for (std::size_t r = 0; r < kLossRows; ++r) {
      std::vector<std::uint8_t> codes(kInputs);
      codec::unpack(words.data() + r * static_cast<std::size_t>(codec::words_per_row(kInputs, kBits)), kBits, codes);
      for (std::size_t c = 0; c < kInputs; ++c) {
        const std::size_t g = r * kInputs / kGroup + c / kGroup;
        const double value = static_cast<double>(codes[c]) * scales[g] + biases[g];
        d[r * kInputs + c] = (rescaled ? value / factors_[c] : value) - weights_[r * kInputs + c];
      }
    }
    double sum = 0;
    for (std::size_t r = 0; r < kLossRows; ++r)
      for (std::size_t i = 0; i < kInputs; ++i)
        for (std::size_t j = 0; j < kInputs; ++j)
          if (with_gram || i == j)
            sum += d[r * kInputs + i] * d[r * kInputs + j] * (with_gram ? gram_.matrix.get()[i * kInputs + j] : importance_[i]);
    return sum;
  }

  double found(plan::Method method, bool rescaled, bool with_gram) {
    const LossOf loss{.weights = weights_.data(),
                      .n_rows = kLossRows,
                      .in = kInputs,
                      .format = *codec::find_format(codec::Kind::affine, kBits, kGroup),
                      .method = method,
                      .param_dtype = DType::f32,
                      .importance = importance_.data(),
                      .gram = with_gram ? &gram_ : nullptr,
                      .factors = rescaled ? factors_.data() : nullptr,
                      .scaled = !with_gram ? nullptr
                                : rescaled ? &scaled_
                                           : &gram_};
    return scaled_loss(*device_, loss);
  }

  std::vector<float> weights_, importance_, factors_;
  std::vector<double> row_weights_;
  kernels::Gram gram_, scaled_;
  std::unique_ptr<kernels::Device> device_;
};

TEST_F(ScaleLoss, is_the_sum_over_decoded_errors) {
  for (const bool rescaled : {false, true})
    for (const bool with_gram : {false, true})
      for (const plan::Method method : {plan::Method::rtn, plan::Method::fit}) {
        const auto encoder = method == plan::Method::rtn ? kernels::EncodeMethod::rtn : kernels::EncodeMethod::fit;
        const double plain = expected(encoder, rescaled, with_gram);
        EXPECT_GT(plain, 0);
        EXPECT_NEAR(found(method, rescaled, with_gram), plain, 1e-4 * plain);
      }
}

TEST_F(ScaleLoss, rows_count_by_their_weights) {
  const double all = found(plan::Method::fit, true, true);
  row_weights_ = {0, 0, 2, 0, 0};
  const double third = found(plan::Method::fit, true, true);
  row_weights_ = {2, 2, 0, 2, 2};
  const double others = found(plan::Method::fit, true, true), diagonal = found(plan::Method::fit, true, false);
  EXPECT_GT(third, 0);
  EXPECT_NEAR(third + others, 2 * all, 1e-9 * all);
  row_weights_ = {0, 0, 2, 0, 0};
  EXPECT_NEAR(found(plan::Method::fit, true, false) + diagonal, 2 * expected(kernels::EncodeMethod::fit, true, false), 1e-4 * diagonal);
}

TEST_F(ScaleLoss, of_error_feedback_is_in_the_channels_of_the_model) {
  for (const bool rescaled : {false, true}) {
    const double plain = expected(kernels::EncodeMethod::feedback, rescaled, true);
    EXPECT_NEAR(found(plan::Method::gptq, rescaled, true), plain, 1e-3 * plain);
  }
}

}  // namespace
}  // namespace jang::quantize
