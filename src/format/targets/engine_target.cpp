// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "format/targets/engine_target.h"

#include <algorithm>

#include "format/targets/hugging_face.h"
#include "format/targets/record.h"
#include "format/targets/side_file_names.h"

namespace jang::targets {

std::vector<std::string> EngineTarget::sample_command(const arch::Model& model, const std::string& directory) const {
  if (!model.refusal.empty()) return {};
  return {"vllm", "serve", directory};
}

std::vector<Document> EngineTarget::documents(const Record& record) const {
  // Where nothing is packed, loaders would look for codes that are not there.
  const bool packs = std::ranges::any_of(record.tensors, [](const TensorRecord& t) { return t.format != nullptr; });
  return engine_documents(record, name(), packs ? packing(record) : json::Value(nullptr));
}

Copying EngineTarget::copies(std::string_view file_name) const { return copied_by_name(file_name); }

void EngineTarget::check(const format::Bundle& bundle, std::vector<format::Finding>* findings) const {
  check_packing(bundle, findings);
  check_engine_record(bundle, findings);
}

}  // namespace jang::targets
