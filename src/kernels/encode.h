// SPDX-License-Identifier: Apache-2.0
// Quantizing rows of weights in host memory: arguments, errors and the functions an instruction set offers.
//
// Every instruction set gives bit-identical results: same operations in the same order, no contraction.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace jang::kernels {

// rtn: mx.quantize (MLX's CPU backend) of the weights cast to param_dtype, bit for bit; errors are against the weights as given.
// fit: searched and refitted groups, docs/codecs.md; in no group worse than rtn.
enum class EncodeMethod : std::uint8_t { rtn, fit };

// Quantizes a block of rows whose groups line up in columns.
struct EncodeArgs {
  const float* weights = nullptr;     // [n_rows, in], finite
  const float* importance = nullptr;  // [in], finite, >= 0, or null for unweighted
  std::int64_t n_rows = 0, in = 0;    // in % group_size == 0
  int bits = 0, group_size = 0;       // a width and a group of codec/affine.h
  DType param_dtype = DType::bf16;    // bf16, f16 or f32: storage type of scales and biases
  std::uint32_t* words = nullptr;     // [n_rows, in*bits/32]; null when only the error is wanted
  std::byte* scales = nullptr;        // [n_rows, in/group_size] in param_dtype; null together with words
  std::byte* biases = nullptr;        // same shape as scales
};

// Sum over the block of importance * (weight - (code*scale + bias))^2 and of importance * weight^2, with the stored scale and bias, in
// double: inside a group by column, then groups of a row in order, then rows in order.
struct EncodeError {
  double squared_error = 0, squared_norm = 0;
};

using Encode = EncodeError (*)(const EncodeArgs&);
struct Encoders {
  Encode rtn = nullptr, fit = nullptr;
  [[nodiscard]] Encode of(EncodeMethod method) const { return method == EncodeMethod::rtn ? rtn : fit; }
};

}  // namespace jang::kernels
