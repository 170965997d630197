// SPDX-License-Identifier: Apache-2.0
// A source as GGUF files spell it: its model in canonical names, the numbers of its decoder, and the GGUF tensor of every tensor.
#pragma once

#include <vector>

#include "arch/arch.h"
#include "arch/decoder_config.h"
#include "format/targets/gguf/names.h"
#include "jang/status.h"
#include "quantize/source.h"

namespace jang::experiment {

struct GgufModel {
  arch::Model model;  // pieces are indices into the source's checkpoint
  arch::DecoderConfig config;
  std::vector<targets::gguf::Counterpart> tensors;
  [[nodiscard]] const arch::OutTensor& tensor_of(const targets::gguf::Counterpart& c) const {
    return model.tensors[static_cast<std::size_t>(c.tensor)];
  }
};

// Errors: those of describing; unsupported (a family without GGUF names).
[[nodiscard]] Result<GgufModel> describe_for_gguf(const quantize::Source& source);

}  // namespace jang::experiment
