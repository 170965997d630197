// SPDX-License-Identifier: Apache-2.0
// The reader of model.safetensors.index.json. Oracle: every file it lists is a bare, visible name that stays inside a directory when joined
// to it, lists are sorted and free of duplicates, and every tensor points into the list of files.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>

#include "base/check.h"
#include "format/checkpoint.h"
#include "format/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto strict = jang::format::parse_index(text, "input");
  const auto index = jang::format::parse_index(text, "input", /*lenient=*/true);  // takes all that the strict reading takes, alike
  if (strict.ok()) JANG_CHECK(index.ok() && index->files == strict->files && index->weights == strict->weights);
  if (!index.ok()) {
    JANG_CHECK(!index.status().message().empty());
    return 0;
  }
  const std::filesystem::path directory = "/model";
  std::set<std::string> files, tensors;
  for (const std::string& file : index->files) {
    JANG_CHECK(files.empty() || *files.rbegin() < file);
    JANG_CHECK(file.find('\0') == std::string::npos && file.front() != '.');
    JANG_CHECK((directory / file).lexically_normal().parent_path() == directory);
    JANG_CHECK((directory / file).filename() == file);
    files.insert(file);
  }
  JANG_CHECK(!files.empty() && !index->weights.empty());
  for (const auto& [tensor, file] : index->weights) {
    JANG_CHECK(tensors.empty() || *tensors.rbegin() < tensor);
    JANG_CHECK(file >= 0 && static_cast<std::size_t>(file) < index->files.size());
    JANG_CHECK(jang::format::check_tensor_name(tensor).ok());
    tensors.insert(tensor);
  }
  return 0;
}
