// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "experiment/fingerprint.h"

#include <filesystem>

#include <xxhash.h>

#include <fmt/format.h>

#include "base/file.h"

namespace jang::experiment {

std::string fingerprint_text(std::string_view bytes) { return fmt::format("{:016x}", XXH3_64bits(bytes.data(), bytes.size())); }

std::string fingerprint(const json::Value& facts) { return fingerprint_text(json::dump(facts)); }

Result<std::string> fingerprint_file(const std::string& path, std::size_t max_bytes) {
  JANG_ASSIGN(const std::string text, read_text(path, max_bytes));
  return fingerprint_text(text);
}

Result<std::string> fingerprint_checkpoint(const format::Checkpoint& checkpoint) {
  json::Value facts = json::Value::object();
  facts["config"] = checkpoint.config();
  for (const InputFile& file : checkpoint.files())
    facts["files"].push_back({std::filesystem::path(file.path()).filename().string(), file.size(), file.mtime_ns()});
  const std::string tokenizer = checkpoint.path() + "/tokenizer.json";
  std::error_code error;
  if (std::filesystem::is_regular_file(tokenizer, error)) {
    JANG_ASSIGN(const std::string hash, fingerprint_file(tokenizer, 256u << 20));
    facts["tokenizer"] = hash;
  }
  return fingerprint(facts);
}

}  // namespace jang::experiment
