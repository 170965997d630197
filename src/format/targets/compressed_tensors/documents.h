// SPDX-License-Identifier: Apache-2.0
// The files beside the tensors: the index, the record, and the source's config.json with quantization_config and the float type of the
// directory.
#pragma once

#include <string_view>
#include <vector>

#include "format/targets/target.h"

namespace jang::targets::compressed_tensors {

[[nodiscard]] std::vector<Document> documents(const Record& record, std::string_view target);

}  // namespace jang::targets::compressed_tensors
