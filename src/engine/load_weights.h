// SPDX-License-Identifier: Apache-2.0
// From an opened directory and its mapped files to named weights: matrices as views into the mapping, nothing copied or touched; the small
// vectors as floats. Kernels compute code * scale + bias, so packed formats without biases get them here: float32 scales and biases beside
// the mapping, bias = -zero * scale, with which the values are exactly those of the format. Their codes stay where they are, unless the
// files have them in another order: then they are copied into that of the rows. Tensors that are made as they are read are made here.
#pragma once

#include <deque>
#include <span>
#include <vector>

#include "arch/arch.h"
#include "base/mapped_file.h"
#include "format/targets/bundle.h"
#include "jang/status.h"
#include "model/weights.h"

namespace jang::engine {

struct LoadedWeights {
  arch::Model described;
  model::Weights weights;  // views into `files` and `made`
  std::deque<std::vector<std::byte>> made;
  double payload_bits = 0;  // of the tensors used, scales and biases included
  double parameters = 0;    // values they stand for
};

// `files`: one per bundle.checkpoint.files(), same order. A bundle is described as the model it stands for: each packed module as a tensor
// of its logical shape, so that the same strict binding serves. Errors: those of arch::describe; corrupt, unsupported.
[[nodiscard]] Result<LoadedWeights> load_weights(const format::Bundle& bundle, std::span<const MappedFile> files);

}  // namespace jang::engine
