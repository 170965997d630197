// SPDX-License-Identifier: Apache-2.0
// Opening a directory of packed modules. Input: {"config": quantization_config, "tensors": {name: [dtype, shape]}, "shapes": [numbers]};
// the numbers fill the tensors of type I64, every other byte is 0x3c. Oracle: whatever they say, opening gives a Status, or modules whose
// planes have the sizes of their format and whose values can all be read, the same row by row as in one piece; validating gives findings.
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "codec/column_codes.h"
#include "format/safetensors.h"
#include "format/targets/bundle.h"
#include "format/targets/unpacked.h"
#include "format/targets/validate.h"
#include "json/json.h"

namespace {

namespace fs = std::filesystem;
using jang::json::Value;

constexpr std::size_t kMaxTensors = 12, kMaxPayload = 1u << 16;

const fs::path& folder() {
  static const fs::path path = fs::temp_directory_path() / ("jang-compressed-tensors-fuzz-" + std::to_string(::getpid()));
  return path;
}

std::optional<jang::TensorInfo> read_info(const std::string& name, const Value& entry) {
  if (name == "__metadata__" || !entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_array()) return {};
  const auto dtype = jang::dtype_from_name(entry[0].get<std::string>());
  if (!dtype || entry[1].size() > 4) return {};
  jang::TensorInfo t{name, *dtype, {}};
  std::int64_t n = 1;
  for (const Value& d : entry[1]) {
    if (!d.is_number_unsigned() || d > kMaxPayload) return {};
    t.shape.push_back(d.get<std::int64_t>());
    n *= t.shape.back();
    if (n > static_cast<std::int64_t>(kMaxPayload)) return {};
  }
  return t;
}

std::string payload_of(const jang::TensorInfo& t, const Value* numbers, std::size_t* next) {
  std::string bytes(static_cast<std::size_t>(t.bytes()), '\x3c');
  if (t.dtype != jang::DType::i64 || numbers == nullptr || !numbers->is_array()) return bytes;
  for (std::size_t at = 0; at + 8 <= bytes.size() && *next < numbers->size(); at += 8) {
    const Value& number = (*numbers)[(*next)++];
    const std::int64_t value = number.is_number_integer() ? number.get<std::int64_t>() : -1;
    std::memcpy(bytes.data() + at, &value, 8);
  }
  return bytes;
}

bool make_folder(const Value& document) {
  const Value *config = jang::json::find(document, "config"), *tensors = jang::json::find(document, "tensors");
  if (config == nullptr || tensors == nullptr || !tensors->is_object() || tensors->size() > kMaxTensors) return false;
  std::vector<jang::TensorInfo> infos;
  std::string payload;
  std::size_t next = 0;
  for (const auto& [name, entry] : tensors->items()) {
    const auto info = read_info(name, entry);
    if (!info) return false;
    payload += payload_of(*info, jang::json::find(document, "shapes"), &next);
    infos.push_back(*info);
  }
  fs::create_directories(folder());
  std::ofstream(folder() / "model.safetensors", std::ios::binary) << jang::format::make_safetensors_header(infos, {}) << payload;
  const Value model = {{"model_type", "llama"}, {"quantization_config", *config}};
  std::ofstream(folder() / "config.json") << jang::json::dump(model);
  return true;
}

void check_modules(jang::format::Bundle bundle) {
  for (const jang::format::BundleModule& m : bundle.modules) {
    JANG_CHECK(m.format != nullptr && m.planes.size() == m.format->planes().size());
    for (std::size_t p = 0; p < m.planes.size(); ++p) {
      const jang::TensorInfo& t = bundle.checkpoint.tensors()[static_cast<std::size_t>(m.planes[p])].info;
      const std::int64_t columns = m.format->planes()[p].elements(m.shape[1]);
      const std::int64_t rows = p == 2 ? jang::codec::column_words(m.shape[0], m.format->bits) : m.shape[0];
      JANG_CHECK(t.shape == (jang::Shape{rows, columns}));
    }
  }
  if (bundle.modules.empty() || bundle.modules.front().format->kind == jang::codec::Kind::affine) return;
  const jang::format::Checkpoint values = jang::format::unpacked(std::move(bundle));
  for (const jang::format::StoredTensor& t : values.tensors()) {
    if (t.made < 0 || t.info.bytes() == 0) continue;
    std::vector<std::byte> whole(static_cast<std::size_t>(t.info.bytes())), row(static_cast<std::size_t>(t.info.shape[1] * 4));
    JANG_CHECK(values.read(t, 0, whole).ok());
    for (std::size_t at = 0; at < whole.size(); at += row.size()) {
      JANG_CHECK(values.read(t, at, row).ok());
      JANG_CHECK(std::memcmp(row.data(), whole.data() + at, row.size()) == 0);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto document = jang::json::parse({reinterpret_cast<const char*>(data), size}, "input");
  if (!document.ok() || !document->is_object() || !make_folder(*document)) return 0;
  auto bundle = jang::format::open_bundle(folder().string());
  if (bundle.ok()) check_modules(std::move(bundle).value());
  (void)jang::format::validate(folder().string(), {.deep = true});
  fs::remove_all(folder());
  return 0;
}
