// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "jang/gguf.h"

#include <filesystem>

#include <fmt/format.h>

#include "base/file.h"
#include "format/gguf.h"

namespace jang {
namespace {

std::string value_text(const format::GgufValue& value) {
  switch (value.kind) {
    case format::GgufKind::string: return value.text;
    case format::GgufKind::array: return fmt::format("{} values of kind {}", value.size(), format::kind_name(value.element));
    case format::GgufKind::boolean: return value.integer != 0 ? "true" : "false";
    case format::GgufKind::f32: return fmt::format("{}", static_cast<float>(value.number));
    case format::GgufKind::f64: return fmt::format("{}", value.number);
    case format::GgufKind::u64: return fmt::format("{}", static_cast<std::uint64_t>(value.integer));
    default: return fmt::format("{}", value.integer);
  }
}

}  // namespace

bool is_gguf_file(const std::string& path) {
  std::error_code error;
  return path.ends_with(".gguf") && std::filesystem::is_regular_file(path, error);
}

Result<GgufInspection> inspect_gguf(const std::string& path) {
  JANG_ASSIGN(const InputFile file, InputFile::open(path));
  JANG_ASSIGN(const format::GgufHeader header, format::read_gguf_header(file));
  GgufInspection found;
  found.path = path;
  found.version = header.version;
  found.params = header.elements();
  found.tensor_bytes = header.tensor_bytes();
  found.file_bytes = file.size();
  found.stored_bits = found.params > 0 ? 8.0 * static_cast<double>(found.tensor_bytes) / static_cast<double>(found.params) : 0;
  for (const auto& [key, value] : header.metadata) found.metadata.emplace_back(key, value_text(value));
  for (const format::GgufTensor& t : header.tensors)
    found.tensors.push_back({t.name, std::string(t.type->name), t.shape, static_cast<std::uint64_t>(elements(t.shape)), t.bytes});
  return found;
}

}  // namespace jang
