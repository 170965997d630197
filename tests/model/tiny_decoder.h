// SPDX-License-Identifier: Apache-2.0
// Decoders made in memory for the tests: the fake sources of the arch tests with random weights behind them, of every family.
#pragma once

#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "../arch/fake_model.h"
#include "../support/test_device.h"
#include "codec/affine.h"
#include "format/targets/targets.h"
#include "model/decoder.h"

namespace jang::model::testing {

// A decoder with its device, for tests that hold hidden states and logits on the host.
class HostDecoder {
 public:
  HostDecoder(std::unique_ptr<kernels::Device> device, Decoder decoder) : device_(std::move(device)), decoder_(std::move(decoder)) {}

  [[nodiscard]] const arch::DecoderConfig& config() const { return decoder_.config(); }
  [[nodiscard]] kernels::Device& device() const { return *device_; }
  [[nodiscard]] const std::vector<std::string>& modules() const { return decoder_.modules(); }
  [[nodiscard]] std::span<const kernels::MatrixView> matrices(std::string_view module) const { return decoder_.matrices(module); }
  [[nodiscard]] Status replace(std::string_view module, std::span<const kernels::MatrixView> views) {
    return decoder_.replace(module, views);
  }
  [[nodiscard]] std::int64_t bytes_per_token() const { return decoder_.bytes_per_token(); }
  [[nodiscard]] Decoder& decoder() { return decoder_; }
  void set_probe(Probe* probe) { decoder_.set_probe(probe); }

  // A new sequence of a pool of that type; sequences of one type share their pool.
  [[nodiscard]] Sequence sequence(kernels::KvType type = kernels::KvType::f32) {
    std::shared_ptr<CachePool>& pool = pools_[type];
    if (pool == nullptr) pool = std::make_shared<CachePool>(*device_, config(), type);
    return Sequence(pool);
  }

  [[nodiscard]] Status embed(std::span<const std::int32_t> ids, float* x) {
    const kernels::Tensor t = room(&hidden_, static_cast<std::int64_t>(ids.size()), config().hidden);
    JANG_TRY(decoder_.embed(ids, t));
    return device_->read(t, x);
  }
  [[nodiscard]] Status layers(std::span<const BatchItem> batch, int begin, int end, float* x) {
    std::int64_t n = 0;
    for (const BatchItem& item : batch) n += item.n_tokens;
    const kernels::Tensor t = room(&hidden_, n, config().hidden);
    JANG_TRY(device_->write(x, t));
    JANG_TRY(decoder_.layers(batch, begin, end, t));
    return device_->read(t, x);
  }
  [[nodiscard]] Status head(const float* x, std::int64_t n, float* logits) {
    const kernels::Tensor t = room(&hidden_, n, config().hidden), out = room(&logits_, n, config().vocab);
    JANG_TRY(device_->write(x, t));
    JANG_TRY(decoder_.head(t, out));
    return device_->read(out, logits);
  }

 private:
  kernels::Tensor room(Array* array, std::int64_t n, std::int64_t columns) {
    EXPECT_TRUE(array->reserve(*device_, n * columns));
    return array->matrix(n, columns);
  }

  std::unique_ptr<kernels::Device> device_;
  Decoder decoder_;
  Array hidden_, logits_;
  std::map<kernels::KvType, std::shared_ptr<CachePool>> pools_;
};

// Owns the values of a model, by module or tensor name.
class TinyModel {
 public:
  explicit TinyModel(const arch::testing::FakeModel& source, unsigned seed = 7) {
    auto result = source.describe_canonical();
    if (!result.ok()) {
      error = result.status().message();
      return;
    }
    described = std::move(result).value();
    std::mt19937 random(seed);
    for (const arch::OutTensor& t : described.tensors) {
      const bool matrix = t.shape.size() >= 2 && t.role != arch::Role::conv;
      std::vector<float>& values = values_[matrix ? t.module : t.name];
      std::normal_distribution<float> normal(0.0f, matrix ? 0.1f : 0.2f);
      const float centre = t.role == arch::Role::norm ? 1.0f : 0.0f;
      for (std::int64_t i = 0; i < elements(t.shape); ++i) values.push_back(centre + normal(random));
      if (!matrix) weights_.vectors[t.name] = values;
      const std::int64_t n_rows = matrix ? t.shape[t.shape.size() - 2] : 0, n_cols = columns(t.shape);
      for (std::int64_t r = 0; matrix && r < rows(t.shape); r += n_rows) {
        kernels::MatrixView view;
        view.n_rows = n_rows;
        view.n_cols = n_cols;
        view.data = reinterpret_cast<const std::byte*>(values.data() + r * n_cols);
        weights_.matrices[t.module].push_back(view);
      }
    }
  }

  [[nodiscard]] const Weights& weights() const { return weights_; }
  [[nodiscard]] Result<HostDecoder> decoder(Result<std::unique_ptr<kernels::Device>> device = jang::test::open_test_device(),
                                            kernels::Precision precision = kernels::Precision::exact) const {
    JANG_TRY(device.status());
    JANG_ASSIGN(Decoder bound, Decoder::create(described, weights_, *device.value(), precision));
    return HostDecoder(std::move(device).value(), std::move(bound));
  }

  std::string error;  // of describe
  arch::Model described;

 private:
  std::map<std::string, std::vector<float>> values_;
  Weights weights_;
};

// A matrix in MLX affine codes, owning them.
struct PackedMatrix {
  std::vector<std::uint32_t> words;
  std::vector<float> scales, biases;
  kernels::MatrixView view;

  PackedMatrix(std::int64_t n_rows, std::int64_t n_cols, int bits, int group, unsigned seed) {
    std::mt19937 random(seed);
    std::vector<std::uint8_t> codes(static_cast<std::size_t>(n_rows * n_cols));
    for (std::uint8_t& c : codes) c = static_cast<std::uint8_t>(random() % (1u << bits));
    words.resize(static_cast<std::size_t>(n_rows * codec::words_per_row(n_cols, bits)));
    codec::pack(codes, bits, words.data());
    const float step = 0.4f / static_cast<float>((1 << bits) - 1);
    scales.assign(static_cast<std::size_t>(n_rows * n_cols / group), step);
    biases.assign(scales.size(), -0.2f);
    view.format = {DType::u32, bits, group, DType::f32};
    view.n_rows = n_rows;
    view.n_cols = n_cols;
    view.data = reinterpret_cast<const std::byte*>(words.data());
    view.scales = reinterpret_cast<const std::byte*>(scales.data());
    view.biases = reinterpret_cast<const std::byte*>(biases.data());
  }
};

inline std::vector<std::int32_t> tokens(std::size_t n, unsigned seed = 3, int vocab = 512) {
  std::mt19937 random(seed);
  std::vector<std::int32_t> ids(n);
  for (std::int32_t& id : ids) id = static_cast<std::int32_t>(random() % static_cast<unsigned>(vocab));
  return ids;
}

// Runs ids of one sequence through all layers; returns their hidden states and advances.
inline std::vector<float> run(HostDecoder& decoder, Sequence& sequence, std::span<const std::int32_t> ids) {
  std::vector<float> x(ids.size() * static_cast<std::size_t>(decoder.config().hidden));
  EXPECT_TRUE(decoder.embed(ids, x.data()).ok());
  const BatchItem item{&sequence, static_cast<std::int64_t>(ids.size())};
  const Status s = decoder.layers({&item, 1}, 0, decoder.config().n_layers(), x.data());
  EXPECT_TRUE(s.ok()) << s.message();
  sequence.advance(item.n_tokens);
  return x;
}

inline std::vector<float> head(HostDecoder& decoder, const std::vector<float>& x) {
  const std::int64_t n = static_cast<std::int64_t>(x.size()) / decoder.config().hidden;
  std::vector<float> logits(static_cast<std::size_t>(n * decoder.config().vocab));
  EXPECT_TRUE(decoder.head(x.data(), n, logits.data()).ok());
  return logits;
}

// Largest difference of `b` from `a`, relative to the largest value of `a`.
inline double difference(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return 1e9;
  double largest = 0, worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!(a[i] == a[i]) || !(b[i] == b[i])) return 1e9;
    largest = std::max(largest, std::abs(static_cast<double>(a[i])));
    worst = std::max(worst, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  }
  return largest > 0 ? worst / largest : 1e9;
}

}  // namespace jang::model::testing
