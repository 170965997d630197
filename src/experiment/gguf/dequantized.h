// SPDX-License-Identifier: Apache-2.0
// A GGUF file made of a source, as a checkpoint that the engine runs: its values in float32 under the source's own tensor names, with the
// source's config, tokenizer and conventions (interleaved rows and shifted norms are undone). What llama.cpp stored is then measured by the
// same forward as every other row of a comparison. The checkpoint takes four bytes a weight on disk and in the page cache.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/log.h"
#include "experiment/report.h"
#include "format/gguf.h"
#include "jang/status.h"
#include "quantize/source.h"

namespace jang::experiment {

struct GgufFacts {
  std::uint64_t tensor_bytes = 0;  // payloads of all tensors: no metadata, vocabulary or padding
  double stored_bits = 0;          // of tensor_bytes per value
  std::vector<ClassBits> classes;  // bits of a block over its values
};

// Writes `directory`, replacing what is there. Errors: those of opening the file; invalid_argument (it was not made of this model), corrupt
// (a value that is not finite, naming tensor and file), unsupported; write errors; cancelled.
[[nodiscard]] Result<GgufFacts> write_dequantized(const quantize::Source& source, const std::string& file, const std::string& directory,
                                                  const CancelFlag* cancel);

}  // namespace jang::experiment
