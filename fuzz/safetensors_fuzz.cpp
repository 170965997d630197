// SPDX-License-Identifier: Apache-2.0
// The safetensors header reader. An input is a whole file, or, when it begins with '{', a header alone followed by an imagined payload of
// 64 bytes. Oracle: what is accepted covers the file exactly and in order, and the writer's header for the same tensors reads back equal.
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "format/safetensors.h"

namespace {

using jang::format::SafetensorsHeader;

void check_cover(const SafetensorsHeader& header, std::uint64_t start, std::uint64_t file_bytes) {
  std::uint64_t at = start;
  std::set<std::string_view> names;
  for (const auto& t : header.tensors) {
    JANG_CHECK(t.offset_bytes == at);
    JANG_CHECK(t.info.bytes() >= 0 && static_cast<std::uint64_t>(t.info.bytes()) <= file_bytes - at);
    JANG_CHECK(names.insert(t.info.name).second);
    JANG_CHECK(jang::format::check_tensor_name(t.info.name).ok());
    at += static_cast<std::uint64_t>(t.info.bytes());
  }
  JANG_CHECK(at == file_bytes);
}

void check_rewrite(const SafetensorsHeader& header) {
  std::vector<jang::TensorInfo> infos;
  std::uint64_t payload = 0;
  for (const auto& t : header.tensors) {
    infos.push_back(t.info);
    payload += static_cast<std::uint64_t>(t.info.bytes());
  }
  const std::string bytes = jang::format::make_safetensors_header(infos, {header.metadata.begin(), header.metadata.end()});
  JANG_CHECK(bytes.size() % 64 == 0);
  const auto again = jang::format::parse_safetensors_header(std::string_view(bytes).substr(8), bytes.size() + payload, "rewritten");
  JANG_CHECK(again.ok());
  JANG_CHECK(again->tensors.size() == infos.size());
  for (std::size_t i = 0; i < infos.size(); ++i) {
    const jang::TensorInfo &a = again->tensors[i].info, &b = infos[i];
    JANG_CHECK(a.name == b.name && a.dtype == b.dtype && a.shape == b.shape);
  }
  for (const auto& [key, value] : header.metadata) JANG_CHECK(again->metadata.at(key) == value);
}

void run(std::string_view header, std::uint64_t file_bytes) {
  const auto parsed = jang::format::parse_safetensors_header(header, file_bytes, "input");
  if (!parsed.ok()) {
    JANG_CHECK(!parsed.status().message().empty());
    return;
  }
  check_cover(*parsed, 8 + header.size(), file_bytes);
  check_rewrite(*parsed);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.starts_with('{')) {
    run(text, 8 + size + 64);
    return 0;
  }
  if (size < 8) return 0;
  std::uint64_t n = 0;
  for (int i = 0; i < 8; ++i) n |= std::uint64_t{data[i]} << (8 * i);
  if (n <= size - 8) run(text.substr(8, static_cast<std::size_t>(n)), size);
  return 0;
}
