// SPDX-License-Identifier: Apache-2.0
// What an encoder wrote, for tests that compare encoders byte for byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "codec/affine.h"
#include "kernels/encode.h"
#include "kernels/values.h"

namespace jang::kernels {

struct Encoded {
  std::vector<std::uint32_t> words;
  std::vector<std::byte> scales, biases, float_zeros;
  std::vector<std::uint8_t> zeros;
  EncodeError error;
  bool operator==(const Encoded& o) const {
    return words == o.words && scales == o.scales && biases == o.biases && zeros == o.zeros && float_zeros == o.float_zeros &&
           error.squared_error == o.error.squared_error && error.squared_norm == o.error.squared_norm;
  }
};

// `a` without its outputs, which are made here.
inline Encoded encoded(EncodeArgs a, Encode op) {
  Encoded e;
  e.words.resize(static_cast<std::size_t>(a.n_rows * codec::words_per_row(a.in, a.bits)));
  e.scales.resize(static_cast<std::size_t>(a.n_rows * (a.in / a.group_size) * size_bytes(a.param_dtype)));
  if (a.kind == codec::Kind::affine) e.biases.resize(e.scales.size());
  if (a.kind == codec::Kind::float_zero) e.float_zeros.resize(e.scales.size());
  if (a.kind == codec::Kind::integer_zero) e.zeros.resize(static_cast<std::size_t>(a.n_rows * (a.in / a.group_size)));
  a.words = e.words.data();
  a.scales = e.scales.data();
  a.biases = e.biases.data();
  a.zeros = e.zeros.data();
  a.float_zeros = e.float_zeros.data();
  e.error = op(a);
  return e;
}

// What code 0 of a group stands for.
inline double origin(const Encoded& e, codec::Kind kind, int bits, DType params, std::int64_t group) {
  if (kind == codec::Kind::affine) return load_value(params, e.biases.data(), group);
  const double zero = kind == codec::Kind::symmetric    ? 1 << (bits - 1)
                      : kind == codec::Kind::float_zero ? static_cast<double>(load_value(params, e.float_zeros.data(), group))
                                                        : e.zeros[static_cast<std::size_t>(group)];
  return -zero * static_cast<double>(load_value(params, e.scales.data(), group));
}

}  // namespace jang::kernels
