// SPDX-License-Identifier: Apache-2.0
// A device with tensors made of host values, and what tests of devices compare with.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "../support/guarded_device.h"
#include "kernels/accelerators.h"
#include "kernels/devices.h"
#include "matrices.h"
#include "sets.h"

namespace jang::kernels {

using Values = std::vector<float>;

inline double d(float x) { return static_cast<double>(x); }
inline double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }
inline std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

inline Values random_values(std::int64_t n, unsigned seed, float scale = 1.0f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  Values v(at(n));
  for (float& x : v) x = normal(random);
  return v;
}

// A device with tensors made of host values.
class Machine {
 public:
  Machine(const std::string& name, int threads) : pool_(threads) {
    if (name == "guarded") {
      device_ = std::make_unique<test::GuardedDevice>(&pool_);
      return;
    }
    Result<std::unique_ptr<Device>> opened = open_device(name, &pool_);
    if (opened.ok())
      device_ = std::move(opened).value();
    else
      problem_ = opened.status().message();
  }
  // Why there is no device of this name here; empty when there is one.
  [[nodiscard]] const std::string& problem() const { return problem_; }
  Device* operator->() { return device_.get(); }

  // Rows `gap` values further apart than they are long, NaN between them.
  Tensor tensor(const Values& values, std::int64_t rows, std::int64_t columns, std::int64_t gap = 0) {
    Tensor t = empty(rows, columns, DType::f32, gap);
    EXPECT_TRUE(device_->write(values.data(), t).ok());
    return t;
  }
  Tensor tensor(const std::vector<std::int32_t>& values) {
    Tensor t = empty(static_cast<std::int64_t>(values.size()), 1, DType::i32);
    EXPECT_TRUE(device_->write(values.data(), t).ok());
    return t;
  }
  Tensor empty(std::int64_t rows, std::int64_t columns, DType dtype = DType::f32, std::int64_t gap = 0) {
    const std::int64_t stride = columns + gap;
    buffers_.push_back(device_->allocate(std::max<std::int64_t>(rows, 1) * stride * size_bytes(dtype)));
    const Values nothing(at(rows * stride), std::numeric_limits<float>::quiet_NaN());
    if (dtype == DType::f32) {
      EXPECT_TRUE(device_->write(nothing.data(), {buffers_.back().get(), 0, dtype, rows, stride, stride}).ok());
    }
    return {buffers_.back().get(), 0, dtype, rows, columns, stride};
  }
  Values read(const Tensor& t) {
    Values v(at(t.rows * t.columns));
    EXPECT_TRUE(device_->read(t, v.data()).ok());
    return v;
  }
  std::vector<std::int32_t> read_ints(const Tensor& t) {
    std::vector<std::int32_t> v(at(t.rows * t.columns));
    EXPECT_TRUE(device_->read(t, v.data()).ok());
    return v;
  }
  const Weight* weight(std::vector<MatrixView> views, std::span<const float> bias = {}, Precision precision = Precision::exact) {
    auto made = device_->upload({views, bias, precision});
    EXPECT_TRUE(made.ok()) << made.status().message();
    weights_.push_back(std::move(made).value());
    return weights_.back().get();
  }

 private:
  ThreadPool pool_;
  std::unique_ptr<Device> device_;
  std::string problem_;
  std::vector<std::unique_ptr<Buffer>> buffers_;
  std::vector<std::unique_ptr<Weight>> weights_;
};

// Every device of this build; a card that is not there is a device all the same, whose tests are skipped.
inline std::vector<std::string> device_names() {
  std::vector<std::string> names = {"guarded"};
  for (const NamedOps* o : op_tables()) names.emplace_back(o->name);
  if (cuda_accelerators().built_in) names.emplace_back("cuda");
  return names;
}

// What is compared with the reference device: the fastest backend of the processor, and the card.
inline std::vector<std::string> compared_devices() {
  std::vector<std::string> names = {std::string(find_instruction_set()->name)};
  if (cuda_accelerators().built_in) names.emplace_back("cuda");
  return names;
}

// A test on a device by its name, with three threads.
class DeviceFixture : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (!machine.problem().empty()) GTEST_SKIP() << machine.problem();
  }
  Machine machine{GetParam(), 3};
};

// Relative to the largest value expected; `terms`: of the longest sum, each rounded to float32.
inline void expect_near(const Values& found, const std::vector<double>& expected, double terms, const std::string& what) {
  ASSERT_EQ(found.size(), expected.size()) << what;
  double largest = 1e-30;
  for (const double e : expected) largest = std::max(largest, std::abs(e));
  const double tolerance = (8 + std::sqrt(terms)) * d(std::numeric_limits<float>::epsilon()) * largest;
  for (std::size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(d(found[i]), expected[i], tolerance) << what << " at " << i;
}

// Rows of a matrix as floats, by the codec's own definition.
inline Values dequantized(const MatrixView& w) {
  Values out(at(w.n_rows * w.n_cols));
  for (std::int64_t r = 0; r < w.n_rows; ++r) find_ops("ref")->dequantize_row(w, r, out.data() + r * w.n_cols);
  return out;
}

// RMS norm of rows of n values: x / sqrt(mean(x^2) + eps) * (weight + offset), or without factor where there is no weight.
inline std::vector<double> normed(const Values& x, std::int64_t n, const Values& weight, double eps, double offset) {
  std::vector<double> out;
  for (std::size_t r = 0; r < x.size(); r += at(n)) {
    double sum = 0;
    for (std::size_t j = 0; j < at(n); ++j) sum += d(x[r + j]) * d(x[r + j]);
    for (std::size_t j = 0; j < at(n); ++j)
      out.push_back(d(x[r + j]) / std::sqrt(sum / static_cast<double>(n) + eps) * (weight.empty() ? 1.0 : d(weight[j]) + offset));
  }
  return out;
}

}  // namespace jang::kernels
