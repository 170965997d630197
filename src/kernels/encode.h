// SPDX-License-Identifier: Apache-2.0
// Quantizing rows of weights in host memory: arguments, errors and the functions an instruction set offers.
//
// Every instruction set gives bit-identical results: same operations in the same order, no contraction.
#pragma once

#include <cstddef>
#include <cstdint>

#include "codec/weight_format.h"
#include "kernels/gram.h"
#include "tensor/dtype.h"

namespace jang::kernels {

// rtn: mx.quantize (MLX's CPU backend) of the weights cast to param_dtype, bit for bit; errors are against the weights as given. Of kinds
//   without biases: the smallest range that holds the weights and zero.
// fit: searched and refitted groups, docs/codecs.md; in no group worse than rtn.
// feedback: codes, scales and biases for the error of the outputs, tr(D H D^T) with H the Gram matrix of the inputs: GPTQ's propagation on
//   fitted groups, then coordinate descent over codes and joint least squares of scales and biases (docs/codecs.md). Rows are independent.
enum class EncodeMethod : std::uint8_t { rtn, fit, feedback };

// Rounds of least squares and coordinate descent after the propagation.
inline constexpr int kFeedbackPasses = 4;

// Quantizes a block of rows whose groups line up in columns.
struct EncodeArgs {
  const float* weights = nullptr;     // [n_rows, in], finite
  const float* importance = nullptr;  // [in], finite, >= 0, or null for unweighted; feedback does not use it
  const Gram* gram = nullptr;         // [in, in], for feedback only
  std::int64_t n_rows = 0, in = 0;    // in % group_size == 0
  codec::Kind kind = codec::Kind::affine;
  int bits = 0, group_size = 0;      // a width and a group of codec/affine.h
  DType param_dtype = DType::bf16;   // bf16, f16 or f32: storage type of scales and biases
  std::uint32_t* words = nullptr;    // [n_rows, in*bits/32]; null when only the error is wanted
  std::byte* scales = nullptr;       // [n_rows, in/group_size] in param_dtype; null together with words
  std::byte* biases = nullptr;       // affine: same shape as scales
  std::uint8_t* zeros = nullptr;     // integer_zero: [n_rows, in/group_size]
  std::byte* float_zeros = nullptr;  // float_zero: same shape and type as scales
};

// Sum over the block of importance * (weight - value)^2, value being what the stored bytes stand for, and of importance * weight^2, in
// double: inside a group by column, then groups of a row in order, then rows in order. Of feedback: tr(D H D^T) and tr(W H W^T).
struct EncodeError {
  double squared_error = 0, squared_norm = 0;
};

using Encode = EncodeError (*)(const EncodeArgs&);
// Adds the outer products of n rows of x to rows [begin, begin + 4) of the upper triangle of a Gram matrix [in, in]:
//   out[i, j] += sum_t x[t, i] x[t, j],  j >= i rounded down to a multiple of 32. The sum over t is made first. begin % 4 == 0.
using AddGramRows = void (*)(const float* x, std::int64_t n, std::int64_t stride, std::int64_t in, std::int64_t begin, float* out);

struct Encoders {
  Encode rtn = nullptr, fit = nullptr, feedback = nullptr;
  AddGramRows add_gram_rows = nullptr;
  [[nodiscard]] Encode of(EncodeMethod method) const {
    return method == EncodeMethod::rtn ? rtn : method == EncodeMethod::fit ? fit : feedback;
  }
};

}  // namespace jang::kernels
