// SPDX-License-Identifier: Apache-2.0
// Zero points of symmetric codes and the groups of columns follow from the shape.
#include "format/targets/gptq/packed_parts.h"

#include <algorithm>

#include "codec/column_codes.h"
#include "format/targets/hugging_face.h"
#include "format/targets/layout.h"
#include "format/targets/qweight_modules.h"

namespace jang::targets::gptq {
namespace {

std::string little_endian(std::uint32_t value) {
  std::string bytes;
  for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(value >> shift & 0xff);
  return bytes;
}

// A word of zero points, all the middle code, less the one that readers add.
std::uint32_t zero_word(int bits) {
  std::uint32_t word = 0;
  for (int shift = 0; shift < 32; shift += bits) word |= static_cast<std::uint32_t>(codec::symmetric_zero(bits) - 1) << shift;
  return word;
}

std::string group_index(std::int64_t in, int group_size) {
  std::string bytes;
  for (std::int64_t i = 0; i < in; ++i) bytes += little_endian(static_cast<std::uint32_t>(i / group_size));
  return bytes;
}

void add_matrix(const std::string& module, std::int64_t row_begin, std::int64_t out, std::int64_t in, const codec::WeightFormat& f,
                DType params, std::vector<StoredPart>* parts) {
  const std::int64_t n_groups = in / f.group_size;
  const auto add = [&](std::string_view name, DType dtype, Shape shape, int plane) -> StoredPart& {
    parts->push_back(
        {.plane = plane, .row_begin = row_begin, .n_rows = out, .info = {module + "." + std::string(name), dtype, std::move(shape)}});
    return parts->back();
  };
  add(kQweight, DType::i32, {f.planes()[0].elements(in), out}, 0).arrangement = transposed(4);
  add(kQzeros, DType::i32, {n_groups, codec::column_words(out, f.bits)}, -1).content = little_endian(zero_word(f.bits));
  add(kGroupIndex, DType::i32, {in}, -1).content = group_index(in, f.group_size);
  add(kScales, params, {n_groups, out}, 1).arrangement = transposed(size_bytes(params));
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
  const std::int64_t n_groups = in / format->group_size;
  const std::int64_t words = format->planes()[0].elements(in) * out + n_groups * codec::column_words(out, format->bits) + in;
  return static_cast<std::uint64_t>(n * (words * 4 + n_groups * out * size_bytes(params)));
}

}  // namespace jang::targets::gptq
