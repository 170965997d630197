// SPDX-License-Identifier: Apache-2.0
// The config is the source's own, and not the one that arch has brought to one spelling: its reader is the class that wrote it.
#include "format/targets/compressed_tensors/documents.h"

#include <algorithm>
#include <map>

#include "format/targets/compressed_tensors/quantization_config.h"
#include "format/targets/layout.h"

namespace jang::targets::compressed_tensors {
namespace {

using json::Value;

std::string_view torch_name(DType dtype) { return dtype == DType::bf16 ? "bfloat16" : dtype == DType::f16 ? "float16" : "float32"; }

Value make_config(const Record& r) {
  Value config = r.source.config();
  config.erase("quantization");
  config.erase("quantization_config");
  const bool has_dtype = config.contains("dtype");
  if (!has_dtype || config.contains("torch_dtype")) config["torch_dtype"] = torch_name(r.dtype);
  if (has_dtype) config["dtype"] = torch_name(r.dtype);
  config["tie_word_embeddings"] = r.model.tied;
  const bool packs = std::ranges::any_of(r.tensors, [](const TensorRecord& t) { return t.format != nullptr; });
  if (packs) config["quantization_config"] = quantization_config(r.model, r.tensors);
  return config;
}

Value make_index(const Record& r) {
  std::map<std::string, std::string> sorted;
  for (const StoredPart& p : r.layout.parts) sorted[p.info.name] = r.layout.shards[static_cast<std::size_t>(p.shard)].file_name;
  Value map = Value::object();
  for (const auto& [name, file] : sorted) map[name] = file;
  return {{"metadata", {{"total_size", r.layout.tensor_bytes}, {"total_parameters", r.params}}}, {"weight_map", std::move(map)}};
}

}  // namespace

std::vector<Document> documents(const Record& record) {
  return {{"model.safetensors.index.json", json::dump(make_index(record), 2) + "\n"},
          {"config.json", json::dump_for_python(make_config(record), 2) + "\n"}};
}

}  // namespace jang::targets::compressed_tensors
