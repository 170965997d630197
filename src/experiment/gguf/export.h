// SPDX-License-Identifier: Apache-2.0
// A source as an unquantized GGUF file, for llama.cpp's tools to quantize: matrices in the source's own float type, vectors and routers in
// float32, as llama.cpp's converter stores them.
#pragma once

#include <string>

#include "base/log.h"
#include "jang/status.h"
#include "quantize/source.h"

namespace jang::experiment {

struct ExportedGguf {
  std::string no_text;  // why llama.cpp cannot run it on text (metadata.h); empty: it can
};

// Creates `path`, which must not exist. Errors: those of describe_for_gguf and of reading; corrupt (a value that is not finite); write
// errors; cancelled.
[[nodiscard]] Result<ExportedGguf> export_gguf(const quantize::Source& source, const std::string& path, const CancelFlag* cancel);

}  // namespace jang::experiment
