// SPDX-License-Identifier: Apache-2.0
// From an opened directory and its mapped files to named weights: matrices as views into the mapping, nothing copied or touched; the small
// vectors as floats.
#pragma once

#include <span>

#include "arch/arch.h"
#include "base/mapped_file.h"
#include "format/targets/bundle.h"
#include "jang/status.h"
#include "model/weights.h"

namespace jang::engine {

struct LoadedWeights {
  arch::Model described;
  model::Weights weights;   // views into `files`
  double payload_bits = 0;  // of the tensors used, scales and biases included
  double parameters = 0;    // values they stand for
};

// `files`: one per bundle.checkpoint.files(), same order. A bundle is described as the model it stands for: each packed module as a tensor
// of its logical shape, so that the same strict binding serves. Errors: those of arch::describe; corrupt, unsupported.
[[nodiscard]] Result<LoadedWeights> load_weights(const format::Bundle& bundle, std::span<const MappedFile> files);

}  // namespace jang::engine
