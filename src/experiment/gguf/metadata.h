// SPDX-License-Identifier: Apache-2.0
// What llama.cpp reads of a model beside its tensors: sizes of the decoder, and a byte-level BPE vocabulary. Keys are those of llama.cpp's
// gguf-py/gguf/constants.py.
#pragma once

#include <string>

#include "experiment/gguf/model.h"
#include "format/gguf.h"
#include "jang/status.h"

namespace jang::experiment {

// Adds architecture and sizes to the metadata. llama-quantize needs no more.
void add_sizes(const GgufModel& model, const std::string& name, format::GgufHeader& header);

// Why llama.cpp would compute something else of these sizes than this engine does; empty where it computes the same. Such a model can be
// quantized, but its importance matrix would be another model's.
[[nodiscard]] std::string forward_gap(const GgufModel& model);

// Adds the vocabulary of `directory`/tokenizer.json. Errors: unsupported (no byte-level BPE, or cut by an expression that llama.cpp has
// under no name known here); those of reading, corrupt.
[[nodiscard]] Status add_vocabulary(const std::string& directory, std::int64_t vocab, const json::Value& config,
                                    format::GgufHeader& header);
// Without one: llama.cpp then opens the file for tools that need no text.
void add_no_vocabulary(format::GgufHeader& header);

}  // namespace jang::experiment
