// SPDX-License-Identifier: Apache-2.0
// The op table of an instruction set, from the generic ops.
#pragma once

#include "kernels/cpu/generic/attention.h"
#include "kernels/cpu/generic/product.h"
#include "kernels/cpu/generic/recurrent.h"

namespace jang::kernels::generic {

// constexpr: the table must not need code of this instruction set before main.
template <class V>
constexpr Ops ops() {
  return {.dequantize_row = dequantize_row<V>,
          .rms_norm = rms_norm<V>,
          .add = add<V>,
          .silu_mul = silu_mul<V>,
          .gelu_mul = gelu_mul<V>,
          .sigmoid_mul = sigmoid_mul<V>,
          .rope = rope<V>,
          .kv_store = kv_store<V>,
          .attention = attention<V>,
          .delta_rule = delta_rule<V>,
          .conv = conv<V>,
          .softmax = softmax<V>,
          .log_sum_exp = log_sum_exp<V>,
          .product = product<V>};
}

}  // namespace jang::kernels::generic
