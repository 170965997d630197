// SPDX-License-Identifier: Apache-2.0
// From named weights to the graph: every block finds its maps and vectors by name, checked against the shapes of its spec, and the device
// makes them ready. Strict both ways: nothing missing, nothing left over.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "arch/decoder_config.h"
#include "jang/status.h"
#include "kernels/device.h"
#include "model/linear.h"
#include "model/weights.h"

namespace jang::model {

class Binder {
 public:
  // All outlive the binder; `vectors` owns what vector() uploads.
  Binder(const arch::DecoderConfig& config, kernels::Device& device, kernels::Precision precision, Weights& weights,
         std::vector<std::unique_ptr<kernels::Buffer>>& vectors)
      : config_(config), device_(device), precision_(precision), weights_(weights), vectors_(vectors) {}

  [[nodiscard]] std::int64_t hidden() const { return config_.hidden; }
  [[nodiscard]] const arch::NormSpec& norm() const { return config_.norm; }
  [[nodiscard]] kernels::Precision precision() const { return precision_; }
  [[nodiscard]] kernels::Device& device() const { return device_; }

  // The map `module` [n_rows, n_cols], with its bias if there is one; `n_views` matrices. Errors: corrupt (missing, wrong shape),
  // unsupported (no kernel), out_of_memory.
  [[nodiscard]] Status take(const std::string& module, std::int64_t n_rows, std::int64_t n_cols, kernels::Precision precision, Linear* out,
                            std::size_t n_views = 1);
  [[nodiscard]] bool has_vector(const std::string& name) const { return weights_.vectors.contains(name); }
  // The values of a vector as [1, n] on the device, w such that w + offset is `scale` times what it was. Errors: corrupt, out_of_memory.
  [[nodiscard]] Status vector(const std::string& name, std::int64_t n, kernels::Tensor* out, float scale = 1, float offset = 0);
  // The one value of a tensor n times, as [1, n]. Errors: corrupt, out_of_memory.
  [[nodiscard]] Status repeated(const std::string& name, std::int64_t n, kernels::Tensor* out);
  // [1, n] of one value on the device. Errors: out_of_memory, naming `what`.
  [[nodiscard]] Status constant(const std::string& what, std::int64_t n, float value, kernels::Tensor* out);
  // Corrupt when a tensor was not asked for.
  [[nodiscard]] Status check_leftovers() const;

 private:
  [[nodiscard]] Status put(const std::string& what, std::span<const float> values, kernels::Tensor* out);
  [[nodiscard]] Result<std::span<const float>> host_vector(const std::string& name, std::int64_t n);

  const arch::DecoderConfig& config_;
  kernels::Device& device_;
  kernels::Precision precision_;
  Weights& weights_;
  std::vector<std::unique_ptr<kernels::Buffer>>& vectors_;
  std::set<std::string, std::less<>> used_;
};

// Makes the map's views ready on the device, in place of what it had. Errors: those of Device::upload, naming the module.
[[nodiscard]] Status upload(kernels::Device& device, Linear* map, std::span<const kernels::MatrixView> views);

// What a block answers to a field of its spec that it has no kernel for: unsupported, naming both.
[[nodiscard]] Status refuse(const std::string& block, std::string_view field);

// All views of one shape and one format? Errors: invalid_argument, naming the module.
[[nodiscard]] Status check_views(const std::string& module, std::span<const kernels::MatrixView> views, std::int64_t n_rows,
                                 std::int64_t n_cols);

}  // namespace jang::model
