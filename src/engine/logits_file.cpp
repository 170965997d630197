// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "engine/logits_file.h"

#include <vector>

#include "format/safetensors.h"

namespace jang::engine {

Result<LogitsFile> LogitsFile::create(const std::string& path, std::int64_t n, std::int64_t vocab, std::int64_t n_continuation) {
  const std::vector<TensorInfo> tensors = {
      {"logits", DType::f32, {n, vocab}}, {"ids", DType::i64, {n}}, {"continuation", DType::i64, {n_continuation}}};
  const std::string header = format::make_safetensors_header(tensors, {{"format", "pt"}});
  JANG_ASSIGN(OutputFile file, OutputFile::create(path));
  LogitsFile out(std::move(file));
  JANG_TRY(out.append(std::as_bytes(std::span(header))));
  return out;
}

Status LogitsFile::append(std::span<const std::byte> bytes) {
  JANG_TRY(file_.write_at(at_, bytes));
  at_ += bytes.size();
  return {};
}

Status LogitsFile::append_ids(std::span<const std::int32_t> ids) {
  const std::vector<std::int64_t> wide(ids.begin(), ids.end());
  return append(std::as_bytes(std::span(wide)));
}

}  // namespace jang::engine
