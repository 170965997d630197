// SPDX-License-Identifier: Apache-2.0
// The block that a layer of one block lacks (arch::Norms::single), with the functions that attention.h and mlp.h ask of blocks: it keeps
// nothing and computes nothing.
#pragma once

#include "model/forward.h"

namespace jang::model {

[[nodiscard]] inline LayerCache cache_of(const arch::NoMixer& /*spec*/) { return {}; }
[[nodiscard]] inline Status reserve(Forward& /*f*/, const arch::NoMixer& /*block*/, int /*layer*/) { return {}; }
inline void run(Forward& /*f*/, const arch::NoMixer& /*block*/, int /*layer*/) {}
[[nodiscard]] inline Status reserve(Forward& /*f*/, const arch::NoFfn& /*block*/) { return {}; }
inline void run(Forward& /*f*/, const arch::NoFfn& /*block*/, const kernels::Tensor& /*x*/, const kernels::Tensor& /*out*/) {}

}  // namespace jang::model
