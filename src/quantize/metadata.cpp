// SPDX-License-Identifier: Apache-2.0
// Builds the JSON documents of a bundle from plan, layout and measured errors.
#include "quantize/metadata.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/decimal.h"

namespace jang::quantize {
namespace {

using json::Value;

// "bfloat16" as configs spell it.
std::string config_dtype(DType dtype) {
  switch (dtype) {
    case DType::bf16: return "bfloat16";
    case DType::f16: return "float16";
    default: return "float32";
  }
}

// Replaces dtype keys where they exist, in `config` and its text_config; a config without one is left alone.
void update_dtype(Value& config, DType dtype) {
  for (const char* key : {"torch_dtype", "dtype"})
    if (config.contains(key) && config[key].is_string()) config[key] = config_dtype(dtype);
  if (config.contains("text_config") && config["text_config"].is_object()) update_dtype(config["text_config"], dtype);
}

plan::Choice most_common_choice(const arch::Model& model, const plan::Plan& plan) {
  std::map<plan::Choice, std::int64_t> weights;
  for (const plan::TensorPlan& t : plan.tensors)
    if (t.choice.bits) weights[t.choice] += elements(model.tensors[static_cast<std::size_t>(t.tensor)].shape);
  const auto most = std::max_element(weights.begin(), weights.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == weights.end() ? plan::Choice{} : most->first;
}

double two_decimals(double x) { return std::round(x * 100) / 100; }
double six_digits(double x) { return x == 0 ? 0 : parse_decimal(fmt::format("{:.6g}", x)).value_or(x); }

// Parts of every quantized tensor by tensor index.
struct ModuleParts {
  const plan::StoredPart *weight = nullptr, *scales = nullptr, *biases = nullptr;
};
std::map<int, ModuleParts> module_parts(const plan::Layout& layout) {
  std::map<int, ModuleParts> parts;
  for (const plan::StoredPart& p : layout.parts) {
    if (p.part == plan::Part::weight) parts[p.tensor].weight = &p;
    if (p.part == plan::Part::scales) parts[p.tensor].scales = &p;
    if (p.part == plan::Part::biases) parts[p.tensor].biases = &p;
  }
  return parts;
}

Value make_manifest(const Source& source, const plan::Plan& plan, const plan::Layout& layout, const TensorErrors& errors) {
  Value manifest = Value::object();
  for (const auto& [index, parts] : module_parts(layout)) {
    const arch::OutTensor& t = source.model.tensors[static_cast<std::size_t>(index)];
    const plan::TensorPlan& p = plan.tensors[static_cast<std::size_t>(index)];
    const std::size_t first = static_cast<std::size_t>(t.pieces.front().source);
    manifest[t.module] = {{"source_tensor", source.checkpoint.tensors()[first].info.name},
                          {"source_tensor_count", t.pieces.size()},
                          {"bits", p.choice.bits},
                          {"group_size", p.choice.group_size},
                          {"role", arch::to_string(t.role)},
                          {"tier", plan::to_string(p.tier)},
                          {"rule", p.reason},
                          {"shape", t.shape},
                          {"weight_key", parts.weight->info.name},
                          {"scales_key", parts.scales->info.name},
                          {"biases_key", parts.biases->info.name},
                          {"weight_shape", parts.weight->info.shape},
                          {"scales_shape", parts.scales->info.shape},
                          {"biases_shape", parts.biases->info.shape}};
    const std::optional<double>& error = errors[static_cast<std::size_t>(index)];
    manifest[t.module]["error"] = error ? Value(six_digits(*error)) : Value(nullptr);
  }
  return manifest;
}

// "none", "self" (text that the model sampled), "file" or "random": what the weights of the fit and the sensitivities were measured on.
std::string calibration_method(const plan::Plan& plan, const format::Statistics* statistics) {
  const bool used = !plan.statistics.empty() || plan.allocation == plan::AllocatedBy::measured_sensitivities;
  return used && statistics ? statistics->text : "none";
}

}  // namespace

json::Value make_config(const arch::Model& model, const plan::Plan& plan) {
  Value config = model.config;
  update_dtype(config, plan.dtype);
  const plan::Choice common = most_common_choice(model, plan);
  if (common.bits == 0) return config;  // nothing was quantized
  Value quantization = {{"group_size", common.group_size}, {"bits", common.bits}, {"mode", "affine"}};
  for (const plan::TensorPlan& t : plan.tensors) {
    if (t.choice.bits == 0) continue;
    quantization[model.tensors[static_cast<std::size_t>(t.tensor)].module] = {
        {"group_size", t.choice.group_size}, {"bits", t.choice.bits}, {"mode", "affine"}};
  }
  config["quantization"] = quantization;
  config["quantization_config"] = std::move(quantization);
  return config;
}

json::Value make_jang_config(const Source& source, const plan::Plan& plan, const plan::Layout& layout, const plan::Sizes& sizes,
                             const TensorErrors& errors, const format::Statistics* statistics) {
  const arch::Model& model = source.model;
  std::set<int> widths;
  std::uint64_t n_plain = 0;
  for (const plan::TensorPlan& t : plan.tensors) {
    if (t.choice.bits)
      widths.insert(t.choice.bits);
    else
      ++n_plain;
  }
  Value manifest = make_manifest(source, plan, layout, errors);
  const std::size_t n_manifest = manifest.size();
  const bool has_ssm = model.architecture_kind.find("ssm") != std::string::npos;
  const double bytes = static_cast<double>(layout.tensor_bytes);
  Value quantization = {{"method", "jang-importance"},
                        {"profile", plan.profile},
                        {"actual_bits", two_decimals(sizes.code_bits)},
                        {"stored_bits", six_digits(sizes.stored_bits)},
                        {"block_size", most_common_choice(model, plan).group_size},
                        {"calibration_method", calibration_method(plan, statistics)},
                        {"quantization_method", plan::to_string(plan.method)},
                        {"scoring_method", plan.statistics.empty() ? "none" : "input-second-moments"},
                        {"statistics", plan.statistics},
                        {"allocation", plan::to_string(plan.allocation)},
                        {"bit_widths_used", widths},
                        {"passthrough_tensor_count", n_plain},
                        {"quantization_scheme", "asymmetric"},
                        {"quantization_backend", "jang.cpp"},
                        {"hadamard_rotation", false},
                        {"tensor_quantization_manifest_schema", 1},
                        {"tensor_quantization_manifest_count", n_manifest},
                        {"tensor_quantization_manifest", std::move(manifest)}};
  return {{"format", "jang"},
          {"format_version", "2.0"},
          {"quantization", std::move(quantization)},
          {"source_model",
           {{"name", format::model_name(source.checkpoint.path())},
            {"dtype", config_dtype(model.tensors.empty() ? DType::bf16 : model.tensors.front().source_dtype)},
            {"parameters", sizes.params}}},
          {"architecture",
           {{"type", model.architecture_kind},
            {"attention", model.attention},
            {"has_vision", false},  // the vision tower of a source is left out
            {"has_ssm", has_ssm},
            {"has_moe", model.n_experts > 0}}},
          {"runtime", {{"total_weight_bytes", layout.tensor_bytes}, {"total_weight_gb", two_decimals(bytes / 1e9)}}},
          {"tool", {{"name", "jang.cpp"}, {"version", JANG_VERSION}}}};
}

json::Value make_index(const plan::Layout& layout, const plan::Sizes& sizes) {
  std::map<std::string, std::string> sorted;
  for (const plan::StoredPart& p : layout.parts) sorted[p.info.name] = layout.shards[static_cast<std::size_t>(p.shard)].file_name;
  Value map = Value::object();
  for (const auto& [name, file] : sorted) map[name] = file;
  return {{"metadata",
           {{"format", "jang"}, {"format_version", "2.0"}, {"total_size", layout.tensor_bytes}, {"total_parameters", sizes.params}}},
          {"weight_map", std::move(map)}};
}

}  // namespace jang::quantize
