// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "format/targets/record.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "arch/path.h"
#include "base/decimal.h"
#include "format/hub.h"
#include "format/targets/documents.h"
#include "format/targets/layout.h"

namespace jang::targets {
namespace {

using json::Value;

constexpr std::string_view kOrigin = "origin", kScaling = "activation_aware_scaling";

double two_decimals(double x) { return std::round(x * 100) / 100; }
double six_digits(double x) { return x == 0 ? 0 : parse_decimal(fmt::format("{:.6g}", x)).value_or(x); }

const Value* object_member(const Value& object, std::string_view key) {
  const Value* member = object.is_object() ? json::find(object, key) : nullptr;
  return member != nullptr && member->is_object() ? member : nullptr;
}

// "asymmetric" where all codes have a zero of their own.
std::string_view scheme_of(const Record& r) {
  std::set<bool> symmetric;
  for (const TensorRecord& t : r.tensors)
    if (t.format != nullptr) symmetric.insert(t.format->kind == codec::Kind::symmetric);
  return symmetric.size() > 1 ? "mixed" : symmetric.contains(true) ? "symmetric" : "asymmetric";
}

Value engine_manifest(const Record& r) {
  Value manifest = Value::object();
  for (std::size_t i = 0; i < r.tensors.size(); ++i) {
    if (r.tensors[i].format == nullptr) continue;
    Value& entry = manifest[r.model.tensors[i].module] = manifest_entry(r, i);
    entry["error"] = error_entry(r.tensors[i]);
  }
  return manifest;
}

}  // namespace

std::pair<int, int> most_common_choice(const arch::Model& model, std::span<const TensorRecord> tensors) {
  std::map<std::pair<int, int>, std::int64_t> weights;  // by bits and group
  for (std::size_t i = 0; i < tensors.size(); ++i)
    if (const codec::WeightFormat* f = tensors[i].format) weights[{f->bits, f->group_size}] += elements(model.tensors[i].shape);
  const auto most = std::max_element(weights.begin(), weights.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == weights.end() ? std::pair(0, 0) : most->first;
}

std::string manifest_name(const std::string& module) {
  constexpr std::string_view kExperts = ".experts.";
  const std::size_t at = module.find(kExperts);
  if (at == std::string::npos) return module;
  const std::size_t number = at + kExperts.size(), end = module.find('.', number);
  if (end == std::string::npos || arch::component_number(std::string_view(module).substr(number, end - number)) < 0) return module;
  return module.substr(0, number) + module.substr(end + 1);
}

Value manifest_entry(const Record& r, std::size_t i) {
  const arch::OutTensor& t = r.model.tensors[i];
  const TensorRecord& record = r.tensors[i];
  const std::size_t first = static_cast<std::size_t>(t.pieces.front().source);
  return {{"source_tensor", r.source.tensors()[first].info.name},
          {"source_tensor_count", t.pieces.size()},
          {"bits", record.format->bits},
          {"group_size", record.format->group_size},
          {"role", arch::to_string(t.role)},
          {"tier", record.tier},
          {"rule", record.reason},
          {"shape", t.shape}};
}

Value error_entry(const TensorRecord& tensor) { return tensor.error ? Value(six_digits(*tensor.error)) : Value(nullptr); }

Value quantization_record(const Record& r, std::string_view scheme, Value manifest) {
  std::set<int> widths;
  std::uint64_t n_plain = 0;
  for (const TensorRecord& t : r.tensors) {
    if (t.format != nullptr)
      widths.insert(t.format->bits);
    else
      ++n_plain;
  }
  const std::size_t n_manifest = manifest.size();
  Value quantization = {{"method", "jang-importance"},
                        {"profile", r.profile},
                        {"actual_bits", two_decimals(r.code_bits)},
                        {"stored_bits", six_digits(r.stored_bits)},
                        {"block_size", most_common_choice(r.model, r.tensors).second},
                        {"calibration_method", r.calibration},
                        {"quantization_method", r.method},
                        {"scoring_method", r.statistics.empty() ? "none" : "input-second-moments"},
                        {"statistics", r.statistics},
                        {"allocation", r.allocation},
                        {"bit_widths_used", widths},
                        {"passthrough_tensor_count", n_plain},
                        {"quantization_scheme", scheme},
                        {"quantization_backend", "jang.cpp"},
                        {"hadamard_rotation", false},
                        {"tensor_quantization_manifest_schema", 1},
                        {"tensor_quantization_manifest_count", n_manifest},
                        {"tensor_quantization_manifest", std::move(manifest)}};
  if (!r.origin.is_null()) quantization[std::string(kOrigin)] = r.origin;
  if (r.scaling.empty()) return quantization;
  Value& rows = quantization[std::string(kScaling)] = Value::array();
  for (const ScalingRecord& s : r.scaling) {
    rows.push_back(
        {{"group", s.group}, {"exponent", six_digits(s.exponent)}, {"gain", six_digits(s.gain)}, {"experts_left", s.experts_left}});
    if (s.of_weights != 0) rows.back()["of_weights"] = six_digits(s.of_weights);
    if (s.refused) rows.back()["refused"] = true;
  }
  if (const auto& t = r.scaling_trial)
    quantization["activation_aware_trial"] = {{"positions", t->positions},
                                              {"divergence_unscaled", six_digits(t->unscaled)},
                                              {"divergence", six_digits(t->scaled)},
                                              {"difference_error", six_digits(t->difference_error)}};
  return quantization;
}

Value source_record(const Record& r) {
  return {{"name", format::model_name(r.source.path())},
          {"dtype", config_dtype(r.model.tensors.empty() ? DType::bf16 : r.model.tensors.front().source_dtype)},
          {"parameters", r.params}};
}

Value tool_record() { return {{"name", "jang.cpp"}, {"version", JANG_VERSION}}; }

Document engine_record(const Record& r, std::string_view target) {
  const Value record = {{"format", "jang-record"},
                        {"format_version", "1.0"},
                        {"target", target},
                        {"quantization", quantization_record(r, scheme_of(r), engine_manifest(r))},
                        {"source_model", source_record(r)},
                        {"tool", tool_record()}};
  return {std::string(kEngineRecord), json::dump(record, 2) + "\n"};
}

Result<Value> read_record(const std::string& directory) {
  std::error_code ec;
  for (const std::string_view name : {kJangConfig, kEngineRecord})
    if (const std::string path = fmt::format("{}/{}", directory, name); std::filesystem::exists(path, ec)) return json::parse_file(path);
  return Value(nullptr);
}

Status check_rotation(const Value& record) {
  const Value* quantization = object_member(record, "quantization");
  const Value* rotated = quantization != nullptr ? json::find(*quantization, "hadamard_rotation") : nullptr;
  if (rotated == nullptr || rotated->is_null() || *rotated == false) return {};
  return {StatusCode::unsupported,
          fmt::format("the weights are rotated (hadamard_rotation in {}), which stock mlx-lm does not undo either; convert the source "
                      "without a rotation",
                      kJangConfig)};
}

Value origin_of(const Value& record, std::string_view target) {
  Value origin = {{"target", target}};
  if (const Value* quantization = object_member(record, "quantization"))
    for (const auto& [key, value] : quantization->items())
      if (!key.starts_with("tensor_quantization_manifest") && key != "target") origin[key] = value;
  return origin;
}

bool is_rescaled(const std::string& directory) {
  const auto by_method = [](const Value* packed) { return packed != nullptr && *packed == "awq"; };
  const Result<Value> record = read_record(directory);
  if (!record.ok() || record->is_null()) {
    const Result<Value> config = json::parse_file(directory + "/config.json");
    const Value* packing = config.ok() ? object_member(*config, "quantization_config") : nullptr;
    return packing != nullptr && by_method(json::find(*packing, "quant_method"));
  }
  // The depth of a document is bounded by its reader.
  for (const Value* step = object_member(*record, "quantization"); step != nullptr; step = object_member(*step, kOrigin)) {
    if (json::find(*step, kScaling) != nullptr) return true;
    if (json::find(*step, "quantization_method") == nullptr && by_method(json::find(*step, "target"))) return true;
  }
  return false;
}

void check_engine_record(const format::Bundle& bundle, std::vector<format::Finding>* findings) {
  const std::string where(kEngineRecord);
  const Value* quantization = object_member(bundle.jang_config, "quantization");
  const Value* manifest = quantization != nullptr ? object_member(*quantization, "tensor_quantization_manifest") : nullptr;
  if (bundle.jang_config.is_null()) return;
  if (manifest == nullptr) return findings->push_back({format::Severity::warning, where, "no tensor_quantization_manifest"});
  std::set<std::string> packed;
  for (const format::BundleModule& m : bundle.modules) {
    const std::string name = manifest_name(m.path);
    packed.insert(name);
    const Value* entry = object_member(*manifest, name);
    if (entry == nullptr) {
      findings->push_back({format::Severity::error, where, "the manifest lacks " + name});
      continue;
    }
    const auto bits = json::get_int(*entry, "bits", -1, -1, 64), group = json::get_int(*entry, "group_size", -1, -1, 1 << 20);
    if (!bits.ok() || !group.ok() || *bits != m.format->bits || *group != m.format->group_size)
      findings->push_back({format::Severity::error, where, "the manifest disagrees with the tensors about bits or group of " + m.path});
  }
  for (const auto& [name, entry] : manifest->items())
    if (!packed.contains(name))
      findings->push_back({format::Severity::error, where, "the manifest names " + name + ", which is not packed"});
}

}  // namespace jang::targets
