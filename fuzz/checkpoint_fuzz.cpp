// SPDX-License-Identifier: Apache-2.0
// Opening a directory whose index and files disagree. Input: {"index": {...}, "files": {name: {tensor: text}}}; every file becomes a
// safetensors file of u8 tensors that hold their texts, the index is written as it is given (left out when absent). Oracle: whatever they
// say, opening gives a Status, or tensors with unique names that can be read and hold a text that some file has for that name; what opens
// strictly opens leniently.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "format/checkpoint.h"
#include "format/safetensors.h"

namespace {

namespace fs = std::filesystem;
using jang::json::Value;

constexpr std::size_t kMaxFiles = 6;

// One directory for the whole run, emptied before every input.
const fs::path& folder() {
  static const fs::path path = fs::temp_directory_path() / ("jang-checkpoint-fuzz-" + std::to_string(::getpid()));
  return path;
}

void put(const std::string& name, std::string_view bytes) {
  std::ofstream(folder() / name, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

bool is_plain(std::string_view name) {
  return !name.empty() && name.size() < 64 && name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos && name[0] != '.';
}

// False when the input is no description of a directory.
bool make_folder(const Value& document) {
  const Value* files = jang::json::find(document, "files");
  if (files == nullptr || !files->is_object() || files->size() > kMaxFiles) return false;
  fs::remove_all(folder());
  fs::create_directories(folder());
  put("config.json", "{}");
  for (const auto& [name, tensors] : files->items()) {
    if (!is_plain(name) || !tensors.is_object()) return false;
    std::vector<jang::TensorInfo> infos;
    std::string payload;
    for (const auto& [tensor, text] : tensors.items()) {
      if (!text.is_string() || tensor == "__metadata__") return false;
      payload += text.get<std::string>();
      infos.push_back({tensor, jang::DType::u8, {static_cast<std::int64_t>(text.get<std::string>().size())}});
    }
    put(name, jang::format::make_safetensors_header(infos, {}) + payload);
  }
  if (const Value* index = jang::json::find(document, "index")) put("model.safetensors.index.json", jang::json::dump(*index));
  return true;
}

void check(const jang::format::Checkpoint& c, const Value& files) {
  std::string_view last;
  for (const jang::format::StoredTensor& t : c.tensors()) {
    JANG_CHECK(last < t.info.name);
    last = t.info.name;
    std::string text(static_cast<std::size_t>(t.info.bytes()), '?');
    JANG_CHECK(c.read(t, 0, std::as_writable_bytes(std::span(text))).ok());
    const std::string file = fs::path(c.files()[static_cast<std::size_t>(t.file)].path()).filename().string();
    JANG_CHECK(files.at(file).at(t.info.name).get<std::string>() == text);
  }
  JANG_CHECK(!c.settle({jang::StatusCode::unsupported, "x"}, true).ok());
  JANG_CHECK(c.settle({}, true).ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto document = jang::json::parse({reinterpret_cast<const char*>(data), size}, "input", {.max_bytes = 1u << 16, .max_depth = 8});
  if (!document.ok() || !make_folder(*document)) return 0;
  const auto strict = jang::format::Checkpoint::open(folder().string());
  const auto lenient = jang::format::Checkpoint::open(folder().string(), {.lenient = true});
  if (strict.ok()) {
    JANG_CHECK(lenient.ok());
    check(*strict, document->at("files"));
  }
  if (lenient.ok()) check(*lenient, document->at("files"));
  fs::remove_all(folder());
  return 0;
}
