// SPDX-License-Identifier: Apache-2.0
// GGUF files made of a source with llama.cpp's own programs: the source as an unquantized file (export.h), an importance matrix of a text
// by llama-imatrix where it is asked for, and llama-quantize. All are kept in the work directory under fingerprints of what made them:
//
//   WORK/gguf/plain-<fingerprint>.gguf            the source
//   WORK/gguf/imatrix-<fingerprint>.gguf          of the text, in windows of kImatrixContext tokens
//   WORK/gguf/<type>[-imatrix]-<fingerprint>.gguf what is measured
//   WORK/gguf/*.log                               what the programs said
#pragma once

#include <string>

#include "base/log.h"
#include "experiment/recipe.h"
#include "jang/status.h"
#include "quantize/source.h"

namespace jang::experiment {

inline constexpr int kImatrixContext = 512;  // llama-imatrix's default

struct GgufTools {
  std::string folders;  // where llama-quantize and llama-imatrix are looked for, separated by ':'
  std::string text;     // of the importance matrix; may be empty
};

struct MadeGguf {
  std::string path;
  double seconds = 0;  // of llama-quantize; 0: it was there
};

// `recipe`: one with a gguf_type. Errors: not_found (a program, naming it and what helps), invalid_argument (an importance matrix without a
// text), unsupported (a model or tokenizer that llama.cpp would not compute as this engine does), those of the programs, write errors,
// cancelled.
[[nodiscard]] Result<MadeGguf> make_gguf(const quantize::Source& source, const Recipe& recipe, const GgufTools& tools,
                                         const std::string& work, const std::string& source_fingerprint, const quantize::RunOptions& run);

}  // namespace jang::experiment
