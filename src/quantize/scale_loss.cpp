// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "quantize/scale_loss.h"

#include <array>
#include <span>
#include <vector>

#include "kernels/encode.h"
#include "quantize/row_planes.h"

namespace jang::quantize {
namespace {

// In 16 partial sums, always the same ones.
float dot(const float* a, const float* b, std::int64_t n) {
  std::array<float, 16> sums{};
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    for (std::size_t k = 0; k < 16; ++k) sums[k] += a[i + static_cast<std::int64_t>(k)] * b[i + static_cast<std::int64_t>(k)];
  for (; i < n; ++i) sums[0] += a[i] * b[i];
  float sum = 0;
  for (const float s : sums) sum += s;
  return sum;
}

// w of row r, 1 where there are none.
double weight(const double* weights, std::int64_t r) { return weights != nullptr ? weights[r] : 1; }

// Sum of w_r (D H D^T)[r, r] over differences [n_rows, in]; a row of H is used for all of them, from its diagonal on.
double quadratic(const std::vector<float>& d, std::int64_t n_rows, std::int64_t in, const float* h, const double* weights) {
  double sum = 0;
  for (std::int64_t i = 0; i < in; ++i)
    for (std::int64_t r = 0; r < n_rows; ++r) {
      const float* row = d.data() + r * in;
      const double beside = static_cast<double>(dot(row + i + 1, h + i * in + i + 1, in - i - 1));
      sum += weight(weights, r) * static_cast<double>(row[i]) *
             (static_cast<double>(row[i]) * static_cast<double>(h[i * in + i]) + 2 * beside);
    }
  return sum;
}

double diagonal(const std::vector<float>& d, std::int64_t in, const float* h, const double* weights) {
  double sum = 0;
  for (std::size_t i = 0; i < d.size(); ++i) {
    const std::int64_t r = static_cast<std::int64_t>(i) / in, c = static_cast<std::int64_t>(i) % in;
    sum += weight(weights, r) * static_cast<double>(h[c]) * static_cast<double>(d[i]) * static_cast<double>(d[i]);
  }
  return sum;
}

}  // namespace

double scaled_loss(const kernels::Device& device, const LossOf& l) {
  const auto size = static_cast<std::size_t>(l.n_rows * l.in), in = static_cast<std::size_t>(l.in);
  std::vector<float> scaled(l.weights, l.weights + size), importance;
  if (l.factors != nullptr)
    for (std::size_t i = 0; i < size; ++i) scaled[i] *= l.factors[i % in];
  RowPlanes planes(l.format, l.n_rows, l.in, l.param_dtype);
  kernels::EncodeArgs a = planes.args(scaled.data());
  if (l.method == plan::Method::gptq && l.scaled != nullptr) {
    a.gram = l.scaled;
    (void)device.encode(kernels::EncodeMethod::feedback, a);
  } else if (l.method == plan::Method::rtn) {
    (void)device.encode(kernels::EncodeMethod::rtn, a);
  } else {
    if (l.importance != nullptr) importance.assign(l.importance, l.importance + in);
    for (std::size_t c = 0; l.factors != nullptr && c < importance.size(); ++c) importance[c] /= l.factors[c] * l.factors[c];
    a.importance = importance.empty() ? nullptr : importance.data();
    (void)device.encode(kernels::EncodeMethod::fit, a);
  }
  std::vector<float> d(size);
  planes.unpack(d.data());
  for (std::size_t i = 0; i < size; ++i) d[i] = (l.factors != nullptr ? d[i] / l.factors[i % in] : d[i]) - l.weights[i];
  return l.gram != nullptr ? quadratic(d, l.n_rows, l.in, l.gram->matrix.get(), l.row_weights)
                           : diagonal(d, l.in, l.importance, l.row_weights);
}

}  // namespace jang::quantize
