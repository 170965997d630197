// SPDX-License-Identifier: Apache-2.0
// Short names of things a result depends on: equal fingerprints, equal results. XXH3, not a defence against anyone.
#pragma once

#include <string>
#include <string_view>

#include "format/checkpoint.h"
#include "jang/status.h"
#include "json/json.h"

namespace jang::experiment {

// 16 hexadecimal digits of the document's text. Key order matters: build it in one place.
[[nodiscard]] std::string fingerprint(const json::Value& facts);
[[nodiscard]] std::string fingerprint_text(std::string_view bytes);
// Of a checkpoint: config, and name, size and modification time of every weight file, and the tokenizer. Weights are not read.
[[nodiscard]] Result<std::string> fingerprint_checkpoint(const format::Checkpoint& checkpoint);
// Of a file's content. Errors: those of reading.
[[nodiscard]] Result<std::string> fingerprint_file(const std::string& path, std::size_t max_bytes);

}  // namespace jang::experiment
