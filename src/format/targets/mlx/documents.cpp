// SPDX-License-Identifier: Apache-2.0
// Builds the JSON documents of a bundle from the record of its conversion.
#include "format/targets/mlx/documents.h"

#include <array>
#include <cmath>
#include <map>
#include <set>

#include "format/targets/documents.h"
#include "format/targets/layout.h"
#include "format/targets/mlx/quantization.h"
#include "format/targets/record.h"

namespace jang::targets::mlx {
namespace {

using json::Value;

// Replaces dtype keys where they exist, in `config` and its text_config; a config without one is left alone.
void update_dtype(Value& config, DType dtype) {
  for (const char* key : {"torch_dtype", "dtype"})
    if (config.contains(key) && config[key].is_string()) config[key] = config_dtype(dtype);
  if (config.contains("text_config") && config["text_config"].is_object()) update_dtype(config["text_config"], dtype);
}

double two_decimals(double x) { return std::round(x * 100) / 100; }

// Parts of every packed module by plane, by tensor index and module.
std::map<std::pair<int, std::string>, std::array<const StoredPart*, 3>> packed_parts(const Layout& layout) {
  std::map<std::pair<int, std::string>, std::array<const StoredPart*, 3>> parts;
  for (const StoredPart& p : layout.parts)
    if (p.plane >= 0) parts[{p.tensor, p.info.name.substr(0, p.info.name.rfind('.'))}].at(static_cast<std::size_t>(p.plane)) = &p;
  return parts;
}

Value make_manifest(const Record& r) {
  Value manifest = Value::object();
  for (const auto& [place, parts] : packed_parts(r.layout)) {
    const auto& [index, module] = place;
    const auto i = static_cast<std::size_t>(index);
    Value entry = manifest_entry(r, i);
    for (std::size_t p = 0; p < parts.size(); ++p) entry[std::string(kPlaneNames[p]) + "_key"] = parts[p]->info.name;
    for (std::size_t p = 0; p < parts.size(); ++p) entry[std::string(kPlaneNames[p]) + "_shape"] = parts[p]->info.shape;
    entry["error"] = error_entry(r.tensors[i]);
    manifest[module] = std::move(entry);
  }
  return manifest;
}

// config.json: the model's config plus `quantization` (and its mirror `quantization_config`). The float type is updated where the bundle's
// differs from the source's.
Value make_config(const Record& r) {
  Value config = r.model.config;
  update_dtype(config, r.dtype);
  if (most_common_format(r.model, r.tensors) == nullptr) return config;  // nothing was packed
  Value quantization = quantization_map(r.model, r.tensors);
  config["quantization"] = quantization;
  config["quantization_config"] = std::move(quantization);
  return config;
}

Value make_jang_config(const Record& r) {
  const bool has_ssm = r.model.architecture_kind.find("ssm") != std::string::npos;
  const double bytes = static_cast<double>(r.layout.tensor_bytes);
  return {{"format", "jang"},
          {"format_version", "2.0"},
          {"quantization", quantization_record(r, "asymmetric", make_manifest(r))},
          {"source_model", source_record(r)},
          {"architecture",
           {{"type", r.model.architecture_kind},
            {"attention", r.model.attention},
            {"has_vision", r.model.has_vision},
            {"has_ssm", has_ssm},
            {"has_moe", r.model.n_experts > 0}}},
          {"runtime", {{"total_weight_bytes", r.layout.tensor_bytes}, {"total_weight_gb", two_decimals(bytes / 1e9)}}},
          {"tool", tool_record()}};
}

Value make_index(const Record& r) { return weight_index(r, {{"format", "jang"}, {"format_version", "2.0"}}); }

using format::Bundle;
using format::BundleModule;
using format::Finding;
using format::Severity;

const Value* manifest_of(const Bundle& b) {
  const Value* quantization = b.jang_config.is_object() ? json::find(b.jang_config, "quantization") : nullptr;
  return quantization != nullptr ? json::find(*quantization, "tensor_quantization_manifest") : nullptr;
}

class Checker {
 public:
  Checker(const Bundle& bundle, std::vector<Finding>* findings) : b_(bundle), findings_(*findings) {
    for (const BundleModule& m : bundle.modules) paths_.insert(m.path);
  }
  void check_config();
  void check_manifest();

 private:
  void error(const std::string& where, const std::string& message) { findings_.push_back({Severity::error, where, message}); }
  void warning(const std::string& where, const std::string& message) { findings_.push_back({Severity::warning, where, message}); }
  void check_entry(const Value& entry, const BundleModule& m);

  // A bundle of which everything stayed in 16 bits names no module anywhere.
  bool names_modules() const {
    const Value* manifest = manifest_of(b_);
    return !b_.jang_config.is_null() && (manifest == nullptr || !manifest->is_object() || !manifest->empty());
  }

  const Bundle& b_;
  std::vector<Finding>& findings_;
  std::set<std::string> paths_;
};

void Checker::check_config() {
  const auto& config = b_.checkpoint.config();
  if (!b_.is_quantized) {
    if (names_modules()) error("config.json", "jang_config.json is present but config.json has no quantization object");
    return;
  }
  if (b_.modules.empty()) error("config.json", "a quantization object, but no tensor has scales");
  const Value& q = config["quantization"];
  const Value* other = json::find(config, "quantization_config");
  if (other != nullptr && json::find(*other, "quant_method") == nullptr && *other != q)
    error("config.json", "quantization and quantization_config say different things; loaders read one or the other");
  for (const auto& [key, value] : q.items())
    if (value.is_object() && !paths_.contains(key)) error("config.json", "quantization names " + key + ", which has no scales");
  for (const std::string& path : paths_)
    if (!q.contains(path)) warning("config.json", "quantization does not name " + path + "; readers fall back to its default");
  for (const int i : b_.plain)
    if (const TensorInfo& t = b_.checkpoint.tensors()[static_cast<std::size_t>(i)].info; t.name.ends_with(".biases"))
      error(t.name, "biases without scales");
}

void Checker::check_entry(const Value& entry, const BundleModule& m) {
  auto bits = json::get_int(entry, "bits", -1, -1, 64);
  auto group = json::get_int(entry, "group_size", -1, -1, 1 << 20);
  if (!bits.ok() || !group.ok() || *bits != m.format->bits || *group != m.format->group_size)
    error("jang_config.json", "the manifest disagrees with config.json about bits or group of " + m.path);
  if (const Value* shape = json::find(entry, "shape"); shape && *shape != Value(m.shape))
    error("jang_config.json", "the manifest gives " + m.path + " the shape " + shape->dump() + ", the tensors " + to_string(m.shape));
}

// jang_config.json's manifest must say what config.json and the tensors say.
void Checker::check_manifest() {
  if (b_.jang_config.is_null()) return;
  const Value* manifest = manifest_of(b_);
  if (!manifest || !manifest->is_object()) return warning("jang_config.json", "no tensor_quantization_manifest");
  for (const BundleModule& m : b_.modules) {
    const Value* entry = json::find(*manifest, m.path);
    if (entry == nullptr)
      error("jang_config.json", "the manifest lacks " + m.path);
    else
      check_entry(*entry, m);
  }
  for (const auto& [key, value] : manifest->items())
    if (!paths_.contains(key)) error("jang_config.json", "the manifest names " + key + ", which has no scales");
}

}  // namespace

std::vector<Document> documents(const Record& record) {
  return {{"model.safetensors.index.json", json::dump(make_index(record), 2) + "\n"},
          {"jang_config.json", json::dump(make_jang_config(record), 2) + "\n"},
          {"config.json", json::dump_for_python(make_config(record), 2) + "\n"}};
}

void check_documents(const format::Bundle& bundle, std::vector<format::Finding>* findings) {
  Checker checker(bundle, findings);
  checker.check_config();
  checker.check_manifest();
}

}  // namespace jang::targets::mlx
