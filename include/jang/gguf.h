// SPDX-License-Identifier: Apache-2.0
// What a GGUF file of llama.cpp holds. Such files are measured beside bundles (compare.h); nothing here runs or writes them.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "jang/export.h"
#include "jang/status.h"

namespace jang {

struct GgufTensorReport {
  std::string name, type;           // "blk.0.attn_q.weight", "Q4_K"
  std::vector<std::int64_t> shape;  // outermost first
  std::uint64_t params = 0, bytes = 0;
};

struct GgufInspection {
  std::string path;
  std::uint32_t version = 0;
  std::uint64_t params = 0;
  std::uint64_t tensor_bytes = 0;                             // data of the tensors
  std::uint64_t file_bytes = 0;                               // metadata, vocabulary and padding too
  double stored_bits = 0;                                     // of tensor_bytes per weight
  std::vector<std::pair<std::string, std::string>> metadata;  // by key; an array as its length and kind
  std::vector<GgufTensorReport> tensors;                      // as in the file
};

// Whether a path is taken for such a file: a regular file whose name ends in ".gguf".
[[nodiscard]] JANG_API bool is_gguf_file(const std::string& path);
// Reads the header only. Errors: not_found, corrupt, unsupported, io.
[[nodiscard]] JANG_API Result<GgufInspection> inspect_gguf(const std::string& path);

}  // namespace jang
