// SPDX-License-Identifier: Apache-2.0
// A safetensors file of logits, written row by row: "logits" F32 [n, vocab] of given ids, "ids" I64 [n] and "continuation" I64 [N].
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/file.h"
#include "jang/status.h"

namespace jang::engine {

class LogitsFile {
 public:
  // Creates the file and writes its header. What follows must be appended in order: logits, ids, continuation. Errors: write errors.
  [[nodiscard]] static Result<LogitsFile> create(const std::string& path, std::int64_t n, std::int64_t vocab, std::int64_t n_continuation);
  [[nodiscard]] Status append(std::span<const std::byte> bytes);
  [[nodiscard]] Status append_ids(std::span<const std::int32_t> ids);

 private:
  explicit LogitsFile(OutputFile file) : file_(std::move(file)) {}
  OutputFile file_;
  std::uint64_t at_ = 0;
};

}  // namespace jang::engine
