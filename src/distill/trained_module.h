// SPDX-License-Identifier: Apache-2.0
// One packed module of a bundle while it is trained: scales, biases and codes as values that gradients move.
//
// A weight is code * scale + bias with all three as they would be stored, so that what is trained is what a file holds:
//
//   scale = stored(s0 (1 + ds))     bias = stored(b0 + |s0| db)     code = clamp(round(latent), 0, 2^bits - 1)
//
// s0, b0: of the bundle. Rounding passes gradients through unchanged (straight-through estimator, Bengio, Leonard, Courville 2013,
// arXiv 1308.3432); a latent beyond half a step of the code's range has none. Latents start at the source's weight in units of the scale,
// and where the bundle's code is not that rounded (error feedback), within its rounding interval. Adam (Kingma, Ba 2014, arXiv 1412.6980)
// moves ds, db and latents: every step has about the size of its rate, so rates are in parts of the scale, in scales and in codes.
// A group whose scale is zero rests.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/matrix.h"

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

// Values that gradients move, with Adam's moments.
struct Trained {
  std::vector<float> value, first, second;
  void resize(std::size_t n);
};

class TrainedModule {
 public:
  // `start`: packed, of one shape and format; `source`: the same matrices of the source, any format. Codes that do not learn stay as they
  // are. `pool` outlives the module; its threads do not change results.
  TrainedModule(std::string path, std::span<const kernels::MatrixView> start, std::span<const kernels::MatrixView> source, bool codes_learn,
                ThreadPool& pool);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const kernels::MatrixFormat& format() const { return format_; }
  [[nodiscard]] bool codes_learn() const { return !latents_.value.empty(); }
  [[nodiscard]] std::int64_t parameters() const { return n_ * rows_ * columns_; }
  // The weights now, float32; they lie in the module and change with step().
  [[nodiscard]] std::vector<kernels::MatrixView> weights() const;

  // Adds to the gradient of matrix `matrix`: rows from first_row on, [rows, columns].
  void add_gradient(std::int64_t matrix, std::int64_t first_row, std::span<const float> gradient);
  // Adam's step number t (from 1) with the gradient since the last one, which is forgotten.
  void step(const Rates& rates, std::int64_t t);
  void forget_gradient();

  [[nodiscard]] StoredModule stored() const;
  // Back to the start.
  void reset();
  // Of the start: format, path and values.
  [[nodiscard]] std::uint64_t fingerprint() const;
  // Everything that step() changes but the weights, in a fixed order; refresh() after a change.
  [[nodiscard]] std::vector<std::vector<float>*> state();
  void refresh();

 private:
  [[nodiscard]] float scale(std::size_t group) const;
  [[nodiscard]] float bias(std::size_t group) const;
  void step_row(const Rates& rates, float correction1, float correction2, std::int64_t row);
  void write_row(std::int64_t row);
  template <typename F>
  void for_rows(const F& f);  // f(row) for all rows of all matrices, from any thread

  std::string path_;
  kernels::MatrixFormat format_;
  std::int64_t n_ = 0, rows_ = 0, columns_ = 0, groups_ = 0;  // groups of a row
  ThreadPool& pool_;
  std::vector<float> scale0_, bias0_;      // [n, rows, groups]
  std::vector<float> latent0_;             // [n, rows, columns]; empty where codes do not learn
  std::vector<std::uint8_t> codes_;        // [n, rows, columns]: where codes do not learn
  Trained scales_, biases_, latents_;      // ds, db, latents
  std::vector<float> weights_, gradient_;  // [n, rows, columns]
};

}  // namespace jang::distill
