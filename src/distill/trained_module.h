// SPDX-License-Identifier: Apache-2.0
// One packed module of a bundle while it is trained, on the device: scales, biases and codes as values that gradients move. The formulas
// are those of kernels::PackedStep; a weight is always what a file would hold.
//
// Latents start at the source's weight in units of the scale, and where the bundle's code is not that rounded (error feedback), within its
// rounding interval. Memory of the device: 20 bytes a weight where codes learn (latent, two moments, gradient, weight), 9 where they rest.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/backward.h"
#include "kernels/matrix.h"
#include "model/workspace.h"

namespace jang::distill {

// Step sizes of Adam.
struct Rates {
  float scales = 0;   // relative to the scale
  float biases = 0;   // in units of the scale
  float latents = 0;  // in codes
};

// What a file would hold.
struct StoredModule {
  std::vector<std::uint8_t> codes;    // [matrices, rows, columns]
  std::vector<float> scales, biases;  // [matrices, rows, groups], values of the stored type
};

class TrainedModule {
 public:
  // `start`: packed, of one shape and format; `source`: the same matrices of the source, any format; their bytes outlive the module. Codes
  // that do not learn stay as they are. `device` has gradients; it and `pool`, whose threads do not change results, outlive the module.
  // Errors: out_of_memory.
  [[nodiscard]] static Result<TrainedModule> create(std::string path, std::span<const kernels::MatrixView> start,
                                                    std::span<const kernels::MatrixView> source, bool codes_learn, kernels::Device& device,
                                                    ThreadPool& pool);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const kernels::MatrixFormat& format() const { return format_; }
  [[nodiscard]] bool codes_learn() const { return codes_learn_; }
  [[nodiscard]] std::int64_t parameters() const { return n_ * rows_ * columns_; }
  // The weights now, f32 [matrices * rows, columns] on the device; they change with step().
  [[nodiscard]] kernels::Tensor weights() const { return weights_.matrix(n_ * rows_, columns_); }

  // Adds to the gradient of matrix `matrix`: rows from first_row on, [rows, columns] on the device.
  void add_gradient(std::int64_t matrix, std::int64_t first_row, const kernels::Tensor& gradient);
  // Adam's step number t (from 1) with the gradient since the last one, which is forgotten.
  void step(const Rates& rates, std::int64_t t);

  [[nodiscard]] Result<StoredModule> stored() const;
  // Back to the start, without moments and gradient.
  [[nodiscard]] Status reset();
  // Of the start: format, path and values.
  [[nodiscard]] std::uint64_t fingerprint() const { return fingerprint_; }
  // Everything that step() changes but the weights, in a fixed order; refresh() after a change.
  [[nodiscard]] std::vector<kernels::Tensor> state() const;
  void refresh();

 private:
  // Values of the start on the host.
  struct Start {
    std::vector<float> scales, biases;  // [matrices, rows, groups]
    std::vector<float> latents;         // [matrices, rows, columns]; empty where codes do not learn
    std::vector<std::uint8_t> codes;    // [matrices, rows, columns]
  };
  // Values that gradients move, with Adam's moments.
  struct Moving {
    model::Array value, first, second;
    [[nodiscard]] bool reserve(kernels::Device& device, std::int64_t n);
    [[nodiscard]] kernels::Trained matrices(std::int64_t rows, std::int64_t columns) const;
  };

  TrainedModule(std::string path, std::span<const kernels::MatrixView> start, std::span<const kernels::MatrixView> source, bool codes_learn,
                kernels::Device& device, ThreadPool& pool);
  [[nodiscard]] Start start() const;
  void start_row(std::int64_t row, Start* out) const;
  [[nodiscard]] std::uint64_t fingerprint_of(const Start& start) const;
  [[nodiscard]] Status begin(const Start& start);
  [[nodiscard]] kernels::PackedStep packed_step() const;
  template <typename F>
  void for_rows(const F& f) const;  // f(row) for all rows of all matrices, from any thread

  std::string path_;
  std::vector<kernels::MatrixView> packed_, source_;
  kernels::MatrixFormat format_;
  std::int64_t n_ = 0, rows_ = 0, columns_ = 0, groups_ = 0;  // groups of a row
  bool codes_learn_ = false;
  kernels::Device* device_;
  ThreadPool* pool_;
  std::uint64_t fingerprint_ = 0;
  model::Array scales0_, biases0_;    // [n, rows, groups]
  model::Array codes_;                // u8 [n, rows, columns]: where codes do not learn
  Moving scales_, biases_, latents_;  // ds, db, latents
  model::Array weights_, gradient_;   // [n, rows, columns]
};

}  // namespace jang::distill
