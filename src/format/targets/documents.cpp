// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "format/targets/documents.h"

#include <map>

#include "format/targets/layout.h"

namespace jang::targets {

std::string_view config_dtype(DType dtype) {
  switch (dtype) {
    case DType::bf16: return "bfloat16";
    case DType::f16: return "float16";
    default: return "float32";
  }
}

json::Value weight_index(const Record& r, json::Value metadata) {
  std::map<std::string, std::string> sorted;
  for (const StoredPart& p : r.layout.parts) sorted[p.info.name] = r.layout.shards[static_cast<std::size_t>(p.shard)].file_name;
  json::Value map = json::Value::object();
  for (const auto& [name, file] : sorted) map[name] = file;
  metadata["total_size"] = r.layout.tensor_bytes;
  metadata["total_parameters"] = r.params;
  return {{"metadata", std::move(metadata)}, {"weight_map", std::move(map)}};
}

}  // namespace jang::targets
