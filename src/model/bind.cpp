// SPDX-License-Identifier: Apache-2.0
// Finding matrices and vectors by name, and checking their shapes.
#include "model/bind.h"

#include <fmt/format.h>

namespace jang::model {

Status Binder::take(const std::string& module, std::int64_t n_rows, std::int64_t n_cols, kernels::Precision precision, Linear* out,
                    std::size_t n_views) {
  const auto found = weights_.matrices.find(module);
  if (found == weights_.matrices.end()) return {StatusCode::corrupt, fmt::format("the model has no matrix '{}'", module)};
  const std::vector<kernels::MatrixView> views = std::move(found->second);
  weights_.matrices.erase(found);
  out->module = module;
  out->precision = precision;
  out->n_rows = n_rows;
  out->n_cols = n_cols;
  if (views.size() != n_views)
    return {StatusCode::corrupt, fmt::format("'{}' has {} matrices, expected {}", module, views.size(), n_views)};
  if (const Status s = check_views(module, views, n_rows, n_cols); !s.ok()) return {StatusCode::corrupt, s.message()};
  const std::string bias = module + ".bias";
  if (weights_.vectors.contains(bias)) {
    JANG_ASSIGN(out->bias, host_vector(bias, n_rows * static_cast<std::int64_t>(n_views)));
  }
  return upload(device_, out, views);
}

Result<std::span<const float>> Binder::host_vector(const std::string& name, std::int64_t n) {
  const auto found = weights_.vectors.find(name);
  if (found == weights_.vectors.end()) return Status(StatusCode::corrupt, fmt::format("the model has no tensor '{}'", name));
  if (static_cast<std::int64_t>(found->second.size()) != n)
    return Status(StatusCode::corrupt, fmt::format("'{}' has {} values, expected {}", name, found->second.size(), n));
  used_.insert(name);
  return std::span<const float>(found->second);
}

Status Binder::vector(const std::string& name, std::int64_t n, kernels::Tensor* out, float scale, float offset) {
  JANG_ASSIGN(const std::span<const float> values, host_vector(name, n));
  if (scale == 1) return put(name, values, out);
  std::vector<float> scaled(values.begin(), values.end());
  for (float& w : scaled) w = scale * (w + offset) - offset;
  return put(name, scaled, out);
}

Status Binder::repeated(const std::string& name, std::int64_t n, kernels::Tensor* out) {
  JANG_ASSIGN(const std::span<const float> value, host_vector(name, 1));
  return constant(name, n, value.front(), out);
}

Status Binder::constant(const std::string& what, std::int64_t n, float value, kernels::Tensor* out) {
  return put(what, std::vector<float>(static_cast<std::size_t>(n), value), out);
}

Status Binder::put(const std::string& what, std::span<const float> values, kernels::Tensor* out) {
  const auto n = static_cast<std::int64_t>(values.size());
  std::unique_ptr<kernels::Buffer> buffer = device_.allocate(n * size_bytes(DType::f32));
  if (buffer == nullptr) return {StatusCode::out_of_memory, fmt::format("no memory for '{}'", what)};
  *out = {buffer.get(), 0, DType::f32, 1, n, n};
  vectors_.push_back(std::move(buffer));
  return device_.write(values.data(), *out);
}

Status Binder::check_leftovers() const {
  if (!weights_.matrices.empty())
    return {StatusCode::corrupt, fmt::format("matrix '{}' has no place in a {} model", weights_.matrices.begin()->first, config_.family)};
  for (const auto& [name, values] : weights_.vectors)
    if (!used_.contains(name)) return {StatusCode::corrupt, fmt::format("tensor '{}' has no place in a {} model", name, config_.family)};
  return {};
}

Status upload(kernels::Device& device, Linear* map, std::span<const kernels::MatrixView> views) {
  Result<std::unique_ptr<kernels::Weight>> weight = device.upload({views, map->bias, map->precision});
  if (!weight.ok()) return weight.status().with_context("'" + map->module + "'");
  for (RowSlices& slice : map->slices) {
    std::vector<kernels::MatrixView> parts;
    for (std::int64_t row = 0; row < map->n_rows; row += slice.period) parts.push_back(views.front().rows(row + slice.begin, slice.n_rows));
    Result<std::unique_ptr<kernels::Weight>> part = device.upload({parts, {}, kernels::Precision::exact});
    if (!part.ok()) return part.status().with_context("'" + map->module + "'");
    slice.weight = std::move(part).value();
  }
  map->weight = std::move(weight).value();
  map->views.assign(views.begin(), views.end());
  return {};
}

Status refuse(const std::string& block, std::string_view field) {
  return {StatusCode::unsupported, fmt::format("'{}': the engine does not compute {}", block, field)};
}

Status check_views(const std::string& module, std::span<const kernels::MatrixView> views, std::int64_t n_rows, std::int64_t n_cols) {
  if (views.empty()) return {StatusCode::invalid_argument, fmt::format("'{}' has no matrix", module)};
  for (const kernels::MatrixView& v : views) {
    if (v.n_rows != n_rows || v.n_cols != n_cols)
      return {StatusCode::invalid_argument, fmt::format("'{}' is [{}, {}], expected [{}, {}]", module, v.n_rows, v.n_cols, n_rows, n_cols)};
    if (!(v.format == views.front().format))
      return {StatusCode::invalid_argument, fmt::format("the matrices of '{}' differ in format", module)};
    if (v.format.packed() && (v.format.group_size <= 0 || v.n_cols % v.format.group_size != 0))
      return {StatusCode::invalid_argument,
              fmt::format("'{}': {} columns are no multiple of group {}", module, v.n_cols, v.format.group_size)};
  }
  return {};
}

}  // namespace jang::model
