// SPDX-License-Identifier: Apache-2.0
// The GGUF header reader; an input is a whole file. Oracle: tensors that are accepted lie inside the file, on the alignment, with whole
// blocks, and the header written again from what was read reads back equal.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "format/gguf.h"
#include "format/gguf_writer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view file(reinterpret_cast<const char*>(data), size);
  const auto parsed = jang::format::parse_gguf_header(file, size, "input");
  if (!parsed.ok()) {
    JANG_CHECK(!parsed.status().message().empty());
    return 0;
  }
  for (const jang::format::GgufTensor& t : parsed->tensors) {
    JANG_CHECK(t.offset_bytes >= parsed->data_begin && t.offset_bytes <= size && t.bytes <= size - t.offset_bytes);
    JANG_CHECK((t.offset_bytes - parsed->data_begin) % parsed->alignment == 0);
    JANG_CHECK(t.shape.back() % t.type->block_values == 0);
  }
  JANG_CHECK(parsed->tensor_bytes() <= size);
  jang::format::GgufHeader copy = *parsed;
  std::string again = jang::format::make_gguf_header(copy);
  std::uint64_t end = copy.data_begin;
  for (const jang::format::GgufTensor& t : copy.tensors) end = t.offset_bytes + t.bytes;
  const auto reread = jang::format::parse_gguf_header(again, end, "rewritten");
  JANG_CHECK(reread.ok());
  JANG_CHECK(reread->metadata.size() == parsed->metadata.size() && reread->tensors.size() == parsed->tensors.size());
  for (std::size_t i = 0; i < copy.tensors.size(); ++i) {
    JANG_CHECK(reread->tensors[i].name == parsed->tensors[i].name && reread->tensors[i].shape == parsed->tensors[i].shape);
    JANG_CHECK(reread->tensors[i].type == parsed->tensors[i].type && reread->tensors[i].bytes == parsed->tensors[i].bytes);
  }
  return 0;
}
