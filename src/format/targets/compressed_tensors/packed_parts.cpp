// SPDX-License-Identifier: Apache-2.0
// Names and shapes of the parts.
#include "format/targets/compressed_tensors/packed_parts.h"

#include <algorithm>

#include "base/check.h"
#include "codec/column_codes.h"
#include "format/targets/hugging_face.h"
#include "format/targets/layout.h"

namespace jang::targets::compressed_tensors {
namespace {

std::string little_endian(std::int64_t a, std::int64_t b) {
  std::string bytes;
  for (const std::int64_t value : {a, b})
    for (int shift = 0; shift < 64; shift += 8) bytes += static_cast<char>(static_cast<std::uint64_t>(value) >> shift & 0xff);
  return bytes;
}

// The shape first: its eight-byte numbers stay aligned where the parts are sorted.
void add_matrix(const std::string& module, std::int64_t row_begin, std::int64_t out, std::int64_t in, const codec::WeightFormat& f,
                DType params, std::vector<StoredPart>* parts) {
  const auto add = [&](std::string_view name, DType dtype, Shape shape, int plane) -> StoredPart& {
    parts->push_back({.plane = plane, .row_begin = row_begin, .n_rows = out, .info = {module + "." + std::string(name), dtype, shape}});
    return parts->back();
  };
  add(kShape, DType::i64, {2}, -1).content = little_endian(out, in);
  add(kPacked, DType::i32, {out, f.planes()[0].elements(in)}, 0);
  add(kScale, params, {out, f.planes()[1].elements(in)}, 1);
  if (f.kind != codec::Kind::integer_zero) return;
  JANG_CHECK(out % kZeroPointRows == 0);
  add(kZeroPoint, DType::i32, {codec::column_words(out, f.bits), f.planes()[2].elements(in)}, 2).arrangement = down_columns(f.bits);
}

}  // namespace

std::vector<StoredPart> packed_parts(const arch::OutTensor& t, const codec::WeightFormat* format, DType params) {
  if (format == nullptr) return plain_parts(t, params);
  std::vector<StoredPart> parts;
  const std::int64_t n = has_experts(t) ? t.shape[0] : 1, out = rows(t.shape) / std::max<std::int64_t>(1, n);
  for (std::int64_t e = 0; e < n; ++e)
    add_matrix(has_experts(t) ? expert_name(t.module, e) : t.module, e * out, out, columns(t.shape), *format, params, &parts);
  return parts;
}

std::uint64_t packed_bytes(const arch::OutTensor& t, const codec::WeightFormat* format, DType params) {
  if (format == nullptr) return stored_bytes(t, format, params);
  const std::int64_t n = has_experts(t) ? t.shape[0] : 1, out = rows(t.shape) / std::max<std::int64_t>(1, n), in = columns(t.shape);
  std::int64_t bytes = 16 + out * (format->planes()[0].row_bytes(in, params) + format->planes()[1].row_bytes(in, params));
  if (format->kind == codec::Kind::integer_zero) bytes += codec::column_words(out, format->bits) * format->planes()[2].elements(in) * 4;
  return static_cast<std::uint64_t>(n * bytes);
}

}  // namespace jang::targets::compressed_tensors
