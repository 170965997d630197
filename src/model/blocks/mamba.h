// SPDX-License-Identifier: Apache-2.0
// Mamba2 block (arXiv 2405.21060), as Nemotron-H and Granite 4 have it:
//
//   [z u dt] = W_in x;  [x' B C] = silu(causal_conv(u) + bias);  y = scan(x', B, C, dt) per head (kernels::Scan)
//   out = W_out norm(y * silu(z)), where the norm goes over equal parts of a row, each by itself
#pragma once

#include <string>

#include "model/forward.h"

namespace jang::model {

class Binder;

struct Mamba {
  arch::MambaSpec spec;
  Linear in, out;
  kernels::Tensor conv, conv_bias;       // [channels, kernel]; [1, channels], or absent
  kernels::Tensor a_log, dt_bias, skip;  // [1, heads]
  kernels::Tensor norm;                  // [1, inner]
};

// Two states: the last conv_kernel - 1 inputs of the convolution, oldest first, and S of the scan [head * state_dim, head_dim].
[[nodiscard]] LayerCache cache_of(const arch::MambaSpec& spec);
[[nodiscard]] Status bind_block(Binder& binder, const std::string& prefix, const arch::MambaSpec& spec, Mamba* block);
// Memory of a forward and the states of its sequences. Errors as those of gated_delta.h.
[[nodiscard]] Status reserve(Forward& f, const Mamba& block, int layer);
void run(Forward& f, const Mamba& block, int layer);

// Where the workspace holds what a forward computed; made: [n, in_size] with gates, inputs of the convolution and dt side by side.
struct MambaValues {
  kernels::Tensor made, z, dt;
  kernels::Tensor mixed, xbc, y;  // what the convolution read and gave; what the scan gave, then what out reads
};
[[nodiscard]] MambaValues values_of(const Forward& f, const Mamba& block);
// out = the norm of x, part by part. out may be x.
void norm_parts(const Forward& f, const Mamba& block, const kernels::Tensor& x, const kernels::Tensor& out);

}  // namespace jang::model
