// SPDX-License-Identifier: Apache-2.0
// What a module starts from, and its values on the device.
#include "distill/trained_module.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <fmt/format.h>
#include <xxhash.h>

#include "base/check.h"
#include "base/checked.h"
#include "codec/affine.h"
#include "kernels/host_ops.h"
#include "kernels/params.h"
#include "kernels/values.h"

namespace jang::distill {
namespace {

using kernels::Tensor;

constexpr float kInside = 0.49f;  // of a rounding interval, half of which is 0.5
constexpr std::int64_t kTaskRows = 32;
constexpr std::int64_t kZeros = std::int64_t{1} << 20;  // values that are cleared at a time

Status clear(kernels::Device& device, const Tensor& values) {
  const std::int64_t step = std::clamp<std::int64_t>(kZeros / std::max<std::int64_t>(values.columns, 1), 1, values.rows);
  const std::vector<float> zeros(static_cast<std::size_t>(step * values.columns));
  for (std::int64_t r = 0; r < values.rows; r += step)
    JANG_TRY(device.write(zeros.data(), values.row_range(r, std::min(step, values.rows - r))));
  return {};
}

Result<std::vector<float>> values_of(kernels::Device& device, const Tensor& from) {
  std::vector<float> out(static_cast<std::size_t>(from.rows * from.columns));
  JANG_TRY(device.read(from, out.data()));
  return out;
}

}  // namespace

bool TrainedModule::Moving::reserve(kernels::Device& device, std::int64_t n) {
  return value.reserve(device, n) && first.reserve(device, n) && second.reserve(device, n);
}

kernels::Trained TrainedModule::Moving::matrices(std::int64_t rows, std::int64_t columns) const {
  return {value.matrix(rows, columns), first.matrix(rows, columns), second.matrix(rows, columns)};
}

template <typename F>
void TrainedModule::for_rows(const F& f) const {
  const std::int64_t n = n_ * rows_;
  pool_->run(ceil_div(n, kTaskRows), [&](std::int64_t t, int) {
    for (std::int64_t r = t * kTaskRows; r < std::min(n, (t + 1) * kTaskRows); ++r) f(r);
  });
}

Result<TrainedModule> TrainedModule::create(std::string path, std::span<const kernels::MatrixView> start,
                                            std::span<const kernels::MatrixView> source, bool codes_learn, kernels::Device& device,
                                            ThreadPool& pool) {
  TrainedModule m(std::move(path), start, source, codes_learn, device, pool);
  const std::int64_t values = m.n_ * m.rows_ * m.columns_, groups = m.n_ * m.rows_ * m.groups_;
  bool room = m.scales0_.reserve(device, groups) && m.biases0_.reserve(device, groups) && m.weights_.reserve(device, values) &&
              m.gradient_.reserve(device, values) && m.scales_.reserve(device, groups) && m.biases_.reserve(device, groups);
  room = room && (codes_learn ? m.latents_.reserve(device, values) : m.codes_.reserve(device, values, DType::u8));
  if (!room) return Status(StatusCode::out_of_memory, fmt::format("no memory to train '{}', {} weights", m.path_, values));
  const Start values_of_start = m.start();
  m.fingerprint_ = m.fingerprint_of(values_of_start);
  JANG_TRY(m.begin(values_of_start));
  return m;
}

TrainedModule::TrainedModule(std::string path, std::span<const kernels::MatrixView> start, std::span<const kernels::MatrixView> source,
                             bool codes_learn, kernels::Device& device, ThreadPool& pool)
    : path_(std::move(path)),
      packed_(start.begin(), start.end()),
      source_(source.begin(), source.end()),
      format_(start.front().format),
      n_(static_cast<std::int64_t>(start.size())),
      rows_(start.front().n_rows),
      columns_(start.front().n_cols),
      groups_(columns_ / format_.group_size),
      codes_learn_(codes_learn),
      device_(&device),
      pool_(&pool) {
  JANG_CHECK(format_.packed() && source.size() == start.size());
}

TrainedModule::Start TrainedModule::start() const {
  const auto values = static_cast<std::size_t>(n_ * rows_ * columns_), groups = static_cast<std::size_t>(n_ * rows_ * groups_);
  Start out;
  out.scales.resize(groups);
  out.biases.resize(groups);
  out.codes.resize(values);
  if (codes_learn_) out.latents.resize(values);
  for_rows([&](std::int64_t row) { start_row(row, &out); });
  return out;
}

void TrainedModule::start_row(std::int64_t row, Start* out) const {
  const kernels::MatrixView& packed = packed_[static_cast<std::size_t>(row / rows_)];
  const kernels::MatrixView& dense = source_[static_cast<std::size_t>(row / rows_)];
  const std::int64_t r = row % rows_;
  float* scales = out->scales.data() + row * groups_;
  float* biases = out->biases.data() + row * groups_;
  for (std::int64_t k = 0; k < groups_; ++k) {
    scales[k] = kernels::load_value(format_.param_dtype, packed.scales, r * groups_ + k);
    biases[k] = kernels::load_value(format_.param_dtype, packed.biases, r * groups_ + k);
  }
  std::vector<std::uint32_t> words(static_cast<std::size_t>(packed.row_bytes() / 4));
  std::memcpy(words.data(), packed.data + r * packed.row_bytes(), words.size() * 4);
  const std::span codes(out->codes.data() + row * columns_, static_cast<std::size_t>(columns_));
  codec::unpack(words.data(), format_.bits, codes);
  if (!codes_learn_) return;
  const int max = codec::max_code(format_.bits);
  std::vector<float> wanted(codes.size());
  kernels::dequantize_row(dense, r, wanted.data());
  for (std::size_t j = 0; j < codes.size(); ++j) {
    const std::size_t k = j / static_cast<std::size_t>(format_.group_size);
    const auto code = static_cast<float>(codes[j]);
    float latent = scales[k] == 0 ? code : (wanted[j] - biases[k]) / scales[k];
    if (!std::isfinite(latent)) latent = code;
    if (kernels::code_of_latent(latent, max) != codes[j]) latent = code + std::clamp(latent - code, -kInside, kInside);
    out->latents[static_cast<std::size_t>(row * columns_) + j] = std::clamp(latent, -0.5f, static_cast<float>(max) + 0.5f);
  }
}

std::uint64_t TrainedModule::fingerprint_of(const Start& start) const {
  std::uint64_t hash = XXH3_64bits(path_.data(), path_.size()) + static_cast<std::uint64_t>(format_.bits * 1000 + format_.group_size);
  for (const std::vector<float>* v : {&start.scales, &start.biases, &start.latents})
    hash = XXH3_64bits_withSeed(v->data(), v->size() * sizeof(float), hash);
  return XXH3_64bits_withSeed(start.codes.data(), start.codes.size(), hash);
}

// Puts the values of the start on the device; nothing has moved.
Status TrainedModule::begin(const Start& start) {
  const std::int64_t rows = n_ * rows_;
  JANG_TRY(device_->write(start.scales.data(), scales0_.matrix(rows, groups_)));
  JANG_TRY(device_->write(start.biases.data(), biases0_.matrix(rows, groups_)));
  for (const Tensor& values : state()) JANG_TRY(clear(*device_, values));
  if (codes_learn_)
    JANG_TRY(device_->write(start.latents.data(), latents_.value.matrix(rows, columns_)));
  else
    JANG_TRY(device_->write(start.codes.data(), codes_.matrix(rows, columns_, DType::u8)));
  JANG_TRY(clear(*device_, gradient_.matrix(rows, columns_)));
  refresh();
  return device_->wait();
}

Status TrainedModule::reset() { return begin(start()); }

kernels::PackedStep TrainedModule::packed_step() const {
  const std::int64_t rows = n_ * rows_;
  kernels::PackedStep step;
  step.bits = format_.bits;
  step.group_size = format_.group_size;
  step.stored = format_.param_dtype;
  step.scales0 = scales0_.matrix(rows, groups_);
  step.biases0 = biases0_.matrix(rows, groups_);
  step.scales = scales_.matrices(rows, groups_);
  step.biases = biases_.matrices(rows, groups_);
  if (codes_learn_)
    step.latents = latents_.matrices(rows, columns_);
  else
    step.codes = codes_.matrix(rows, columns_, DType::u8);
  step.weights = weights();
  return step;
}

void TrainedModule::refresh() { device_->backward()->train(packed_step()); }

void TrainedModule::step(const Rates& rates, std::int64_t t) {
  kernels::PackedStep step = packed_step();
  step.gradient = gradient_.matrix(n_ * rows_, columns_);
  step.scale_rate = rates.scales;
  step.bias_rate = rates.biases;
  step.latent_rate = rates.latents;
  step.t = t;
  device_->backward()->train(step);
}

void TrainedModule::add_gradient(std::int64_t matrix, std::int64_t first_row, const Tensor& gradient) {
  JANG_CHECK(gradient.columns == columns_ && first_row + gradient.rows <= rows_ && matrix < n_);
  device_->backward()->add(gradient, gradient_.matrix(n_ * rows_, columns_).row_range(matrix * rows_ + first_row, gradient.rows));
}

Result<StoredModule> TrainedModule::stored() const {
  const std::int64_t rows = n_ * rows_;
  StoredModule out;
  out.codes.resize(static_cast<std::size_t>(parameters()));
  if (codes_learn_) {
    JANG_ASSIGN(const std::vector<float> latents, values_of(*device_, latents_.value.matrix(rows, columns_)));
    const int max = codec::max_code(format_.bits);
    for_rows([&](std::int64_t row) {
      for (auto i = static_cast<std::size_t>(row * columns_); i < static_cast<std::size_t>((row + 1) * columns_); ++i)
        out.codes[i] = static_cast<std::uint8_t>(kernels::code_of_latent(latents[i], max));
    });
  } else {
    JANG_TRY(device_->read(codes_.matrix(rows, columns_, DType::u8), out.codes.data()));
  }
  JANG_ASSIGN(const std::vector<float> scales0, values_of(*device_, scales0_.matrix(rows, groups_)));
  JANG_ASSIGN(const std::vector<float> biases0, values_of(*device_, biases0_.matrix(rows, groups_)));
  JANG_ASSIGN(out.scales, values_of(*device_, scales_.value.matrix(rows, groups_)));
  JANG_ASSIGN(out.biases, values_of(*device_, biases_.value.matrix(rows, groups_)));
  for (std::size_t group = 0; group < scales0.size(); ++group) {
    out.scales[group] = kernels::round_param(format_.param_dtype, scales0[group] * (1 + out.scales[group]));
    out.biases[group] = kernels::round_param(format_.param_dtype, biases0[group] + std::abs(scales0[group]) * out.biases[group]);
  }
  return out;
}

std::vector<Tensor> TrainedModule::state() const {
  const std::int64_t rows = n_ * rows_;
  std::vector<kernels::Trained> moving = {scales_.matrices(rows, groups_), biases_.matrices(rows, groups_)};
  if (codes_learn_) moving.push_back(latents_.matrices(rows, columns_));
  std::vector<Tensor> all;
  for (const kernels::Trained& t : moving) all.insert(all.end(), {t.value, t.first, t.second});
  return all;
}

}  // namespace jang::distill
