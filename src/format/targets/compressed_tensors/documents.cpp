// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "format/targets/compressed_tensors/documents.h"

#include <algorithm>

#include "format/targets/compressed_tensors/quantization_config.h"
#include "format/targets/hugging_face.h"

namespace jang::targets::compressed_tensors {

std::vector<Document> documents(const Record& record, std::string_view target) {
  const bool packs = std::ranges::any_of(record.tensors, [](const TensorRecord& t) { return t.format != nullptr; });
  return engine_documents(record, target, packs ? quantization_config(record.model, record.tensors) : json::Value(nullptr));
}

}  // namespace jang::targets::compressed_tensors
