// SPDX-License-Identifier: Apache-2.0
// Opening a directory of packed modules, of whatever method, or of transposed experts. Input: {"config": quantization_config,
// "quantization": MLX's object, "model": other members of config.json, "tensors": {name: [dtype, shape]}, "numbers": [..]}; the numbers
// fill the tensors of type I64 and those called g_idx, every other byte is 0x3c. Oracle: whatever they say, opening gives a Status, or
// modules whose planes can all be read in the sizes of their format and tensors whose values can all be read, the same row by row as in one
// piece; validating gives findings. Bits that are solved for a repair fit the shapes that they were solved from, and with the map that
// comes of them every module is found.
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
#include "format/safetensors.h"
#include "format/targets/bundle.h"
#include "format/targets/mlx/solve_quantization.h"
#include "format/targets/packed_module.h"
#include "format/targets/unpacked.h"
#include "format/targets/validate.h"
#include "json/json.h"

namespace {

namespace fs = std::filesystem;
using jang::json::Value;

constexpr std::size_t kMaxTensors = 12, kMaxPayload = 1u << 16;

const fs::path& folder() {
  static const fs::path path = fs::temp_directory_path() / ("jang-packed-directory-fuzz-" + std::to_string(::getpid()));
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
  const bool is_index = t.dtype == jang::DType::i32 && t.name.ends_with("g_idx");
  if ((t.dtype != jang::DType::i64 && !is_index) || numbers == nullptr || !numbers->is_array()) return bytes;
  const auto size = static_cast<std::size_t>(jang::size_bytes(t.dtype));
  for (std::size_t at = 0; at + size <= bytes.size() && *next < numbers->size(); at += size) {
    const Value& number = (*numbers)[(*next)++];
    const std::int64_t value = number.is_number_integer() ? number.get<std::int64_t>() : -1;
    std::memcpy(bytes.data() + at, &value, size);  // little-endian: the low bytes
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
    payload += payload_of(*info, jang::json::find(document, "numbers"), &next);
    infos.push_back(*info);
  }
  fs::create_directories(folder());
  std::ofstream(folder() / "model.safetensors", std::ios::binary) << jang::format::make_safetensors_header(infos, {}) << payload;
  Value model = {{"model_type", "llama"}, {"quantization_config", *config}};
  if (const Value* more = jang::json::find(document, "model"); more != nullptr && more->is_object()) model.update(*more);
  if (const Value* mlx = jang::json::find(document, "quantization")) model["quantization"] = *mlx;
  std::ofstream(folder() / "config.json") << jang::json::dump(model);
  return true;
}

void check_modules(jang::format::Bundle bundle) {
  for (const jang::format::BundleModule& m : bundle.modules) {
    JANG_CHECK(m.format != nullptr && m.planes.size() == m.format->planes().size());
    const jang::format::PackedModule module(bundle.checkpoint, m);
    if (module.rows() == 0 || module.columns() == 0) continue;
    jang::format::PlaneRows whole, row;
    JANG_CHECK(module.read(bundle.checkpoint, 0, module.rows(), &whole).ok());
    for (std::int64_t r = 0; r < module.rows(); ++r) {
      JANG_CHECK(module.read(bundle.checkpoint, r, 1, &row).ok());
      for (std::size_t p = 0; p < m.planes.size(); ++p) {
        const std::size_t n = row.planes[p].size();
        JANG_CHECK(whole.planes[p].size() == n * static_cast<std::size_t>(module.rows()));
        JANG_CHECK(std::memcmp(row.planes[p].data(), whole.planes[p].data() + static_cast<std::size_t>(r) * n, n) == 0);
      }
    }
  }
  const jang::format::Checkpoint values = jang::format::unpacked(std::move(bundle));
  for (const jang::format::StoredTensor& t : values.tensors()) {
    if (t.made == nullptr || t.info.bytes() == 0) continue;
    std::vector<std::byte> whole(static_cast<std::size_t>(t.info.bytes())),
        row(static_cast<std::size_t>(t.info.shape.back() * jang::size_bytes(t.info.dtype)));
    JANG_CHECK(values.read(t, 0, whole).ok());
    for (std::size_t at = 0; at < whole.size(); at += row.size()) {
      JANG_CHECK(values.read(t, at, row).ok());
      JANG_CHECK(std::memcmp(row.data(), whole.data() + at, row.size()) == 0);
    }
  }
}

// What `jang repair` makes of the folder.
void check_solved() {
  const auto checkpoint = jang::format::Checkpoint::open(folder().string());
  if (!checkpoint.ok()) return;
  const auto solved = jang::targets::mlx::solve_quantization(*checkpoint, nullptr);
  if (!solved.ok()) return;
  JANG_CHECK(!solved->modules.empty());
  for (const jang::targets::mlx::SolvedModule& m : solved->modules) {
    const auto last = [&](const char* name) {
      return checkpoint->tensors()[static_cast<std::size_t>(checkpoint->find(m.path + name))].info.shape.back();
    };
    JANG_CHECK(last(".weight") * 32 == last(".scales") * m.bits * m.group_size);
    JANG_CHECK(solved->config["quantization"].contains(m.path));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto document = jang::json::parse({reinterpret_cast<const char*>(data), size}, "input");
  if (!document.ok() || !document->is_object() || !make_folder(*document)) return 0;
  auto bundle = jang::format::open_bundle(folder().string());
  if (bundle.ok()) check_modules(std::move(bundle).value());
  (void)jang::format::validate(folder().string(), {.deep = true});
  check_solved();
  fs::remove_all(folder());
  return 0;
}
