// SPDX-License-Identifier: Apache-2.0
// Queries multiplied by a factor of their position (arch::QueryScale). A batch whose positions all have the factor 1 is left alone, which
// gives the same bits. Gradients of queries take the same factors.
#pragma once

#include "arch/layer_spec.h"
#include "model/forward.h"

namespace jang::model {

// Memory for rows of so many values. Errors: out_of_memory.
[[nodiscard]] Status reserve_scale(Forward& f, const arch::QueryScale& scale, std::int64_t columns);
// `rows` [n, columns] of the positions of the batch, in place.
void scale_queries(Forward& f, const arch::QueryScale& scale, const kernels::Tensor& rows);

}  // namespace jang::model
