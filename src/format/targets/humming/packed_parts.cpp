// SPDX-License-Identifier: Apache-2.0
// Names and shapes of the parts.
#include "format/targets/humming/packed_parts.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "format/targets/hugging_face.h"

namespace jang::targets::humming {

std::vector<StoredPart> packed_parts(const arch::OutTensor& t, const codec::WeightFormat* format, DType params) {
  if (format == nullptr) return plain_parts(t, params);
  JANG_CHECK(format->kind == codec::Kind::float_zero || format->kind == codec::Kind::symmetric);
  constexpr std::array<std::string_view, codec::kMaxPlanes> kNames = {kWeight, kScale, kZeroPoint};
  std::vector<StoredPart> parts;
  const std::int64_t n = has_experts(t) ? t.shape[0] : 1, out = rows(t.shape) / std::max<std::int64_t>(1, n);
  for (std::int64_t e = 0; e < n; ++e) {
    const std::string module = has_experts(t) ? expert_name(t.module, e) : t.module;
    for (std::size_t p = 0; p < format->planes().size(); ++p) {
      const codec::Plane& plane = format->planes()[p];
      parts.push_back({.plane = static_cast<int>(p),
                       .row_begin = e * out,
                       .n_rows = out,
                       // Codes are I32 there.
                       .info = {module + "." + std::string(kNames[p]),
                                p == 0 ? DType::i32 : plane.stored(params),
                                {out, plane.elements(columns(t.shape))}}});
    }
  }
  return parts;
}

}  // namespace jang::targets::humming
