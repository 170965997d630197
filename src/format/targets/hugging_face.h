// SPDX-License-Identifier: Apache-2.0
// What the targets of serving engines (vLLM, SGLang, transformers) have in common. Their directories are those of Hugging Face: canonical
// names, norms as published, every expert a module of its own, the source's config with a quantization_config. The engines fuse modules
// when they load them and read some maps in 16 bits only:
//
//   one unit      q, k and v; gate and up; a whole layer of routed experts; the inputs of linear attention
//   kept          embeddings (also tied ones), routers, the small inputs of linear attention
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "arch/arch.h"
#include "format/targets/target.h"
#include "json/json.h"

namespace jang::targets {

// Sets units, what is kept and why, norms as published, and which rows convolutions are made of. `loader`: as messages call it; `stored`:
// the source's tensors.
void spell_for_engines(std::string_view loader, std::span<const TensorInfo> stored, arch::Model* model);
// Keeps the whole unit of every matrix for which `keeps` holds, since its loaders fuse it: with `why`, and a warning.
void keep_units(std::string_view why, const std::function<bool(const arch::OutTensor&)>& keeps, arch::Model* model);
// Why the engine would refuse a directory of this model; empty where it opens it. Sets Model::refusal and a warning.
void refuse_unknown(std::string_view loader, const arch::SourceFacts& facts, arch::Model* model);

// Whether a tensor is the stacked matrices of experts, which are stored apart.
[[nodiscard]] bool has_experts(const arch::OutTensor& tensor);
// "model.layers.0.mlp.experts.gate_proj" -> "model.layers.0.mlp.experts.3.gate_proj".
[[nodiscard]] std::string expert_name(const std::string& stacked, std::int64_t expert);
// The linear maps, which an engine packs unless it is told not to. Of stacked experts the module of the first.
[[nodiscard]] bool is_linear(const arch::OutTensor& tensor);
[[nodiscard]] std::string linear_module(const arch::OutTensor& tensor);
// A tensor that is not packed, experts apart.
[[nodiscard]] std::vector<StoredPart> plain_parts(const arch::OutTensor& tensor, DType params);

// Module names with their layer and expert numbers as few regular expressions that match whole names ("^model\.layers\.(0|1)\.x$"), or
// the name itself where it has no number.
struct ModulePattern {
  std::string text;
  bool is_regex = false;
};
[[nodiscard]] std::vector<ModulePattern> module_patterns(const std::vector<std::string>& modules);

// The output head, which many configs name although the model has none of its own.
inline constexpr std::string_view kHead = "lm_head";
// Modules of a directory that are linear maps by their names, and are not packed.
[[nodiscard]] std::vector<std::string> plain_linears(const format::Bundle& bundle);
// What an engine calls a module: the map that it fuses it into, or all experts of its layer, then the module itself.
[[nodiscard]] std::vector<std::string> engine_names(const std::string& module);
// Whether the name of a module, packed or not, or what an engine calls those that it fuses, is such.
[[nodiscard]] bool names_a_module(const format::Bundle& bundle, const std::function<bool(const std::string&)>& is_such);

// The index, the record (record.h), and the source's config.json with the float type of the directory and `quantization` as
// quantization_config unless it is null.
[[nodiscard]] std::vector<Document> engine_documents(const Record& record, std::string_view target, json::Value quantization);

}  // namespace jang::targets
