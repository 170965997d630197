// SPDX-License-Identifier: Apache-2.0
// Comparing embedding and head, as values: a head saved in another float type is the same where it rounds to the same.
#include "quantize/tied_head.h"

#include <algorithm>
#include <vector>

#include "arch/describe.h"
#include "base/float16.h"
#include "quantize/source_rows.h"

namespace jang::quantize {
namespace {

constexpr std::int64_t kChunk = 1 << 20;  // values

bool is_readable(DType dtype) { return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16; }

Status read_values(const format::Checkpoint& checkpoint, const format::StoredTensor& t, std::int64_t begin, std::span<float> out,
                   std::vector<std::byte>& raw) {
  const auto size = static_cast<std::uint64_t>(size_bytes(t.info.dtype));
  raw.resize(out.size() * size);
  JANG_TRY(checkpoint.read(t, static_cast<std::uint64_t>(begin) * size, raw));
  widen(t.info.dtype, raw, out);
  return {};
}

Result<bool> differ(const format::Checkpoint& checkpoint, const format::StoredTensor& a, const format::StoredTensor& b) {
  if (a.info.shape != b.info.shape) return true;
  const std::int64_t n = elements(a.info.shape);
  std::vector<float> x, y;
  std::vector<std::byte> raw;
  for (std::int64_t begin = 0; begin < n; begin += kChunk) {
    x.resize(static_cast<std::size_t>(std::min(kChunk, n - begin)));
    y.resize(x.size());
    JANG_TRY(read_values(checkpoint, a, begin, x, raw));
    JANG_TRY(read_values(checkpoint, b, begin, y, raw));
    if (x != y) return true;
  }
  return false;
}

}  // namespace

Result<arch::SourceFacts> source_facts(const format::Checkpoint& checkpoint) {
  std::vector<TensorInfo> infos;
  for (const format::StoredTensor& t : checkpoint.tensors()) infos.push_back(t.info);
  arch::SourceFacts facts{.file_format = checkpoint.file_format()};
  const std::optional<arch::DoubtfulTie> tie = arch::doubtful_tie(checkpoint.config(), infos);
  if (!tie) return facts;
  const format::StoredTensor& embedding = checkpoint.tensors()[static_cast<std::size_t>(tie->embedding)];
  const format::StoredTensor& head = checkpoint.tensors()[static_cast<std::size_t>(tie->head)];
  if (!is_readable(embedding.info.dtype) || !is_readable(head.info.dtype)) return facts;
  JANG_ASSIGN(facts.head_differs, differ(checkpoint, embedding, head));
  return facts;
}

}  // namespace jang::quantize
