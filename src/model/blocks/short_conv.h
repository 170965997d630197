// SPDX-License-Identifier: Apache-2.0
// Gated short convolution block, as LFM2 has it:
//
//   [b c u] = W_in x;  out = W_out (c * causal_conv(b * u)), values multiplied one by one
#pragma once

#include <string>

#include "model/forward.h"

namespace jang::model {

class Binder;

struct ShortConv {
  arch::ShortConvSpec spec;
  Linear in, out;
  kernels::Tensor conv;  // [channels, kernel]
};

// One state: the last kernel - 1 values of b * u, oldest first.
[[nodiscard]] LayerCache cache_of(const arch::ShortConvSpec& spec);
[[nodiscard]] Status bind_block(Binder& binder, const std::string& prefix, const arch::ShortConvSpec& spec, ShortConv* block);
// Memory of a forward and the states of its sequences. Errors as those of gated_delta.h.
[[nodiscard]] Status reserve(Forward& f, const ShortConv& block, int layer);
void run(Forward& f, const ShortConv& block, int layer);

// Where the workspace holds what a forward computed, [n, channels] each: b, c and u side by side in the result of W_in.
struct ShortConvValues {
  kernels::Tensor made, b, c, u;        // made: [n, 3 channels]
  kernels::Tensor gated, mixed, given;  // b * u, what the convolution makes of it, c times that
};
[[nodiscard]] ShortConvValues values_of(const Forward& f, const ShortConv& block);

}  // namespace jang::model
