// SPDX-License-Identifier: Apache-2.0
// What a directory says of how it was made: source, recipe, method, statistics, channels that were rescaled. No loader needs it.
//
//   MLX      jang_config.json, the document of the JANG format (mlx/documents.cpp)
//   engines  jang_record.json: {"format": "jang-record", "format_version": "1.0", "target", "quantization", "source_model", "tool"}
//
// Engines ignore JSON files whose names they do not know; jang_config.json is not written for them, since its presence tells applications
// on MLX that the tensors are those of JANG.
//
// A result that was made of packed weights keeps what the record of those says, without its manifest, as quantization.origin; a manifest
// that is long would otherwise grow with every step.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "format/targets/bundle.h"
#include "format/targets/target.h"
#include "json/json.h"

namespace jang::targets {

inline constexpr std::string_view kEngineRecord = "jang_record.json", kJangConfig = "jang_config.json";

// Bits and group that most weights have; {0, 0} when nothing is packed.
[[nodiscard]] std::pair<int, int> most_common_choice(const arch::Model& model, std::span<const TensorRecord> tensors);
// Under which a manifest has a module: experts are one entry. "model.layers.0.mlp.experts.3.up_proj" ->
// "model.layers.0.mlp.experts.up_proj".
[[nodiscard]] std::string manifest_name(const std::string& module);
// What the manifest says of one packed tensor, without its planes and its error.
[[nodiscard]] json::Value manifest_entry(const Record& record, std::size_t tensor);
[[nodiscard]] json::Value error_entry(const TensorRecord& tensor);
// The object `quantization`. `scheme`: "asymmetric", "symmetric" or "mixed".
[[nodiscard]] json::Value quantization_record(const Record& record, std::string_view scheme, json::Value manifest);
[[nodiscard]] json::Value source_record(const Record& record);
[[nodiscard]] json::Value tool_record();
// jang_record.json.
[[nodiscard]] Document engine_record(const Record& record, std::string_view target);

// The record of a directory, null where it has none. Errors: those of reading JSON.
[[nodiscard]] Result<json::Value> read_record(const std::string& directory);
// Errors: unsupported where the record says that weights were rotated (upstream's `convert --hadamard`), which only its own loader undoes:
// to everyone else they are another model's.
[[nodiscard]] Status check_rotation(const json::Value& record);
// What a conversion of a packed directory keeps of its record (Record::origin): {"target", and of its quantization all but the manifest}.
[[nodiscard]] json::Value origin_of(const json::Value& record, std::string_view target);
// Whether channels of a directory were rescaled before they were packed, so that its weights are not those of its source: as its own record
// says, or those of what it was made of. AutoAWQ's files without a record of ours count as rescaled, since that is what AutoAWQ does.
[[nodiscard]] bool is_rescaled(const std::string& directory);

// What the manifest of an engine's directory says wrongly about its modules.
void check_engine_record(const format::Bundle& bundle, std::vector<format::Finding>* findings);

}  // namespace jang::targets
