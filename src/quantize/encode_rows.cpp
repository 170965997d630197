// SPDX-License-Identifier: Apache-2.0
// Rows cut at the borders of experts.
#include "quantize/encode_rows.h"

#include <algorithm>

#include "codec/affine.h"

namespace jang::quantize {
namespace {

kernels::EncodeMethod encode_method(plan::Method method, const kernels::EncodeArgs& a) {
  if (method == plan::Method::rtn) return kernels::EncodeMethod::rtn;
  return a.gram == nullptr ? kernels::EncodeMethod::fit : kernels::EncodeMethod::feedback;
}

// Rows of the call, from its i-th on, that belong to expert `expert`.
std::int64_t rows_of_expert(const RowsOf& rows, std::int64_t i, std::int64_t n, std::int64_t expert, std::int64_t per_expert) {
  const std::int64_t border = (expert + 1) * per_expert;
  if (rows.drawn.empty()) return std::min(n, ceil_div(border - rows.first, rows.stride)) - i;
  return std::ranges::lower_bound(rows.drawn.subspan(static_cast<std::size_t>(i), static_cast<std::size_t>(n - i)), border) -
         (rows.drawn.begin() + i);
}

}  // namespace

kernels::EncodeError encode_rows(const kernels::Device& device, plan::Method method, kernels::EncodeArgs a, const RowsOf& rows,
                                 const KnownInputs& known) {
  const std::int64_t per_expert = rows_per_expert(rows.shape), words = codec::words_per_row(a.in, a.bits);
  const std::int64_t param_bytes = a.in / a.group_size * size_bytes(a.param_dtype), n = a.n_rows;
  kernels::EncodeError sum;
  for (std::int64_t i = 0; i < n; i += a.n_rows) {
    const std::int64_t expert = rows.at(i) / per_expert;
    a.n_rows = rows_of_expert(rows, i, n, expert, per_expert);
    const bool asked = method != plan::Method::rtn;
    a.importance = asked && known.importance != nullptr ? known.importance->of(rows.tensor, expert) : nullptr;
    a.gram = method == plan::Method::gptq && known.grams != nullptr ? known.grams->of(rows.tensor, expert) : nullptr;
    const kernels::EncodeError e = device.encode(encode_method(method, a), a);
    sum.squared_error += e.squared_error;
    sum.squared_norm += e.squared_norm;
    a.weights += a.n_rows * a.in;
    if (a.words) a.words += a.n_rows * words;
    if (a.scales) a.scales += a.n_rows * param_bytes;
    if (a.biases) a.biases += a.n_rows * param_bytes;
    if (a.zeros) a.zeros += a.n_rows * (a.in / a.group_size);
  }
  return sum;
}

}  // namespace jang::quantize
