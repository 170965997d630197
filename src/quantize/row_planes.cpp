// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "quantize/row_planes.h"

#include <array>
#include <span>

namespace jang::quantize {

RowPlanes::RowPlanes(const codec::WeightFormat& format, std::int64_t n_rows, std::int64_t in, DType params)
    : format_(format), n_rows_(n_rows), in_(in), params_(params) {
  const auto bytes = [&](std::size_t plane) { return static_cast<std::size_t>(n_rows * format.planes()[plane].row_bytes(in, params)); };
  words_.resize(bytes(0) / 4);
  scales_.resize(bytes(1));
  if (format.planes().size() > 2) third_.resize(bytes(2));
}

kernels::EncodeArgs RowPlanes::args(const float* weights) {
  kernels::EncodeArgs a;
  a.weights = weights;
  a.n_rows = n_rows_;
  a.in = in_;
  a.kind = format_.kind;
  a.bits = format_.bits;
  a.group_size = format_.group_size;
  a.param_dtype = params_;
  a.words = words_.data();
  a.scales = scales_.data();
  a.biases = format_.kind == codec::Kind::affine ? third_.data() : nullptr;
  a.zeros = format_.kind == codec::Kind::integer_zero ? reinterpret_cast<std::uint8_t*>(third_.data()) : nullptr;
  a.float_zeros = format_.kind == codec::Kind::float_zero ? third_.data() : nullptr;
  return a;
}

void RowPlanes::unpack(float* out) const {
  const std::span<const codec::Plane> planes = format_.planes();
  for (std::int64_t r = 0; r < n_rows_; ++r) {
    std::array<const std::byte*, codec::kMaxPlanes> row{};
    for (std::size_t p = 0; p < planes.size(); ++p) {
      const std::byte* base = p == 0 ? reinterpret_cast<const std::byte*>(words_.data()) : p == 1 ? scales_.data() : third_.data();
      row[p] = base + r * planes[p].row_bytes(in_, params_);
    }
    codec::unpack_row(format_, std::span(row).first(planes.size()), params_, in_, out + r * in_);
  }
}

}  // namespace jang::quantize
