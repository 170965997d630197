// SPDX-License-Identifier: Apache-2.0
// The files beside the tensors: the index, and the source's config.json with quantization_config and the float type of the directory.
#pragma once

#include <vector>

#include "format/targets/target.h"

namespace jang::targets::compressed_tensors {

[[nodiscard]] std::vector<Document> documents(const Record& record);

}  // namespace jang::targets::compressed_tensors
