// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "distill/divergence.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "kernels/backward.h"

namespace jang::distill {
namespace {

// Logits of the source that are on the device at a time.
constexpr std::int64_t kSourceLogits = std::int64_t{1} << 24, kSourceLogitsOfCard = std::int64_t{1} << 28;

}  // namespace

Result<double> Divergence::sum(const std::vector<float>& hidden, float weight, const kernels::Tensor& logits) {
  kernels::Device& device = source_.device();
  const std::int64_t n = logits.rows, vocab = logits.columns, width = source_.decoder().config().hidden;
  const std::int64_t step = std::clamp<std::int64_t>((device.has_own_memory() ? kSourceLogitsOfCard : kSourceLogits) / vocab, 1, n);
  if (!hidden_.reserve(device, n * width) || !logits_.reserve(device, step * vocab) || !sums_.reserve(device, n))
    return Status(StatusCode::out_of_memory, fmt::format("no memory for the predictions of {} tokens", n));
  const kernels::Tensor x = hidden_.matrix(n, width), sums = sums_.matrix(n, 1);
  JANG_TRY(device.write(hidden.data(), x));
  for (std::int64_t first = 0; first < n; first += step) {
    const std::int64_t count = std::min(step, n - first);
    const kernels::Tensor wanted = logits_.matrix(count, vocab);
    JANG_TRY(source_.decoder().head(x.row_range(first, count), wanted));
    device.backward()->divergence(wanted, weight, logits.row_range(first, count), sums.row_range(first, count));
  }
  std::vector<float> of_position(static_cast<std::size_t>(n));
  JANG_TRY(device.read(sums, of_position.data()));
  return std::accumulate(of_position.begin(), of_position.end(), 0.0);
}

}  // namespace jang::distill
