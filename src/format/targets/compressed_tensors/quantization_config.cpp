// SPDX-License-Identifier: Apache-2.0
// The object, written and read. Targets are never left to a class of modules ("Linear"): engines fuse modules, and then what is meant by a
// class is theirs to say.
#include "format/targets/compressed_tensors/quantization_config.h"

#include <fmt/format.h>

#include <map>

#include "format/targets/hugging_face.h"

namespace jang::targets::compressed_tensors {
namespace {

using json::Value;

constexpr std::size_t kMaxGroups = 1024, kMaxTargets = 1u << 20;
constexpr std::string_view kExpression = "re:";
constexpr std::string_view kFormat = "pack-quantized", kMixed = "mixed-precision";

Status bad(std::string_view where, std::string_view what) {
  return {StatusCode::corrupt, fmt::format("quantization_config: {}: {}", where, what)};
}
Status unsupported(std::string_view where, std::string_view what) {
  return {StatusCode::unsupported,
          fmt::format("quantization_config: {}: {}; read are weight-only integers in groups (pack-quantized)", where, what)};
}

// Empty text where the key is absent; what is no text is shown as it is, and then fits nothing.
std::string text_of(const Value& object, std::string_view key) {
  const Value* value = json::find(object, key);
  if (value == nullptr) return {};
  return value->is_string() ? value->get<std::string>() : json::dump(*value);
}

Result<Scheme> read_scheme(const Value& weights, const std::string& where) {
  if (!weights.is_object()) return bad(where, "weights is not an object");
  if (const std::string type = text_of(weights, "type"); !type.empty() && type != "int")
    return unsupported(where, "weights are " + json::quote(type));
  if (const std::string strategy = text_of(weights, "strategy"); !strategy.empty() && strategy != "group")
    return unsupported(where, "strategy " + json::quote(strategy));
  // "weight" (or "static") changes how the codes were found, and not how they are stored.
  if (const std::string order = text_of(weights, "actorder"); !order.empty() && order != "weight" && order != "static" && order != "false")
    return unsupported(where, "actorder " + json::quote(order));
  if (const std::string dynamic = text_of(weights, "dynamic"); !dynamic.empty() && dynamic != "false")
    return unsupported(where, "dynamic weights");
  JANG_ASSIGN(const std::int64_t bits, json::get_int(weights, "num_bits", 8, 1, 8));
  JANG_ASSIGN(const std::int64_t group, json::get_int(weights, "group_size", -1, -1, 1 << 20));
  JANG_ASSIGN(const bool symmetric, json::get_bool(weights, "symmetric", true));
  if (group <= 0) return unsupported(where, "no group_size");
  return Scheme{static_cast<int>(bits), static_cast<int>(group), symmetric};
}

Result<SchemeGroup> read_group(const Value& group, const std::string& where) {
  if (!group.is_object()) return unsupported(where, "a preset by name");
  for (const char* key : {"input_activations", "output_activations"})
    if (json::find(group, key) != nullptr) return unsupported(where, key);
  if (const std::string format = text_of(group, "format"); !format.empty() && format != kFormat)
    return unsupported(where, "format " + json::quote(format));
  const Value* weights = json::find(group, "weights");
  if (weights == nullptr) return unsupported(where, "no weights");
  SchemeGroup out;
  JANG_ASSIGN(out.scheme, read_scheme(*weights, where));
  const Value* targets = json::find(group, "targets");
  if (targets == nullptr || !targets->is_array() || targets->size() > kMaxTargets) return bad(where, "targets is not a list of names");
  for (const Value& target : *targets) {
    if (!target.is_string()) return bad(where, "targets is not a list of names");
    out.targets.push_back(target.get<std::string>());
  }
  return out;
}

Value group_entry(const Scheme& scheme, const std::vector<std::string>& modules) {
  return {{"targets", patterns(modules)},
          {"weights",
           {{"num_bits", scheme.bits},
            {"type", "int"},
            {"symmetric", scheme.symmetric},
            {"strategy", "group"},
            {"group_size", scheme.group_size},
            {"dynamic", false},
            {"actorder", nullptr}}},
          {"input_activations", nullptr},
          {"output_activations", nullptr},
          {"format", kFormat}};
}

}  // namespace

std::string describe(const Scheme& s) {
  return fmt::format("{} bits, group {}, {}", s.bits, s.group_size, s.symmetric ? "symmetric" : "with zero points");
}

Result<std::vector<SchemeGroup>> read_groups(const Value& config) {
  if (!config.is_object()) return bad("document", "not an object");
  if (const std::string format = text_of(config, "format"); format != kFormat && format != kMixed)
    return unsupported("format", json::quote(format));
  for (const char* key : {"sparsity_config", "transform_config"})
    if (const Value* extra = json::find(config, key); extra != nullptr && !(extra->is_object() && extra->empty()))
      if (text_of(*extra, "format") != "dense") return unsupported(key, "it changes the weights");
  const Value* groups = json::find(config, "config_groups");
  if (groups == nullptr || !groups->is_object() || groups->size() > kMaxGroups) return bad("config_groups", "not an object of groups");
  std::vector<SchemeGroup> out;
  for (const auto& [name, group] : groups->items()) {
    JANG_ASSIGN(SchemeGroup read, read_group(group, json::quote(name)));
    out.push_back(std::move(read));
  }
  return out;
}

Result<ModuleSchemes> ModuleSchemes::create(const Value& config) {
  ModuleSchemes out;
  JANG_ASSIGN(out.groups_, read_groups(config));
  for (std::size_t g = 0; g < out.groups_.size(); ++g)
    for (const std::string& target : out.groups_[g].targets) JANG_TRY(out.add(target, static_cast<int>(g)));
  const Value* ignore = json::find(config, "ignore");
  if (ignore == nullptr || ignore->is_null()) return out;
  if (!ignore->is_array() || ignore->size() > kMaxTargets) return bad("ignore", "not a list of names");
  for (const Value& name : *ignore) {
    if (!name.is_string()) return bad("ignore", "not a list of names");
    JANG_TRY(out.add(name.get<std::string>(), -1));
  }
  return out;
}

Status ModuleSchemes::add(const std::string& text, int group) {
  Entry entry{text, group, -1};
  if (text.starts_with(kExpression)) {
    entry.expression = static_cast<int>(patterns_.size());
    if (const Status s = patterns_.add(std::string_view(text).substr(kExpression.size())); !s.ok())
      return s.with_context("quantization_config: " + json::quote(text));
  } else {
    by_name_.emplace(text, static_cast<int>(entries_.size()));
  }
  entries_.push_back(std::move(entry));
  return {};
}

Result<ModuleSchemes::Named> ModuleSchemes::groups_of(const std::string& module) {
  Named named;
  const auto add_group = [&](int group) {
    if (named.groups.empty() || named.groups.back() != group) named.groups.push_back(group);
  };
  for (auto [it, end] = by_name_.equal_range(module); it != end; ++it)
    if (const Entry& e = entries_[static_cast<std::size_t>(it->second)]; e.group >= 0) add_group(e.group);
  if (!named.groups.empty()) named.by = By::name;
  for (std::size_t i = 0; i < entries_.size() && named.by != By::name; ++i) {
    const Entry& e = entries_[i];
    if (e.group < 0 || e.expression < 0) continue;
    JANG_ASSIGN(const bool found, patterns_.matches(static_cast<std::size_t>(e.expression), module));
    if (found) add_group(e.group);
    if (found) named.by = By::expression;
  }
  for (std::size_t i = 0; i < entries_.size() && (named.groups.empty() || named.by == By::class_of_modules); ++i) {
    const Entry& e = entries_[i];
    if (e.group < 0 || e.expression >= 0 || e.text.find('.') != std::string::npos) continue;
    add_group(e.group);
    named.by = By::class_of_modules;
  }
  return named;
}

Result<const std::string*> ModuleSchemes::ignored(const std::string& module) {
  for (auto [it, end] = by_name_.equal_range(module); it != end; ++it)
    if (const Entry& e = entries_[static_cast<std::size_t>(it->second)]; e.group < 0) return &e.text;
  for (const Entry& e : entries_) {
    if (e.group >= 0 || e.expression < 0) continue;
    JANG_ASSIGN(const bool found, patterns_.matches(static_cast<std::size_t>(e.expression), module));
    if (found) return &e.text;
  }
  return nullptr;
}

bool ModuleSchemes::names(const Entry& entry, const std::string& module) {
  if (entry.expression < 0) return entry.text == module;
  const Result<bool> found = patterns_.matches(static_cast<std::size_t>(entry.expression), module);
  return !found.ok() || *found;
}

std::vector<std::string> patterns(const std::vector<std::string>& modules) {
  std::vector<std::string> out;
  for (const ModulePattern& p : module_patterns(modules)) out.push_back((p.is_regex ? "re:" : "") + p.text);
  return out;
}

Value quantization_config(const arch::Model& model, std::span<const TensorRecord> tensors) {
  std::map<Scheme, std::vector<std::string>> packed;
  std::vector<std::string> plain;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const arch::OutTensor& t = model.tensors[i];
    if (!is_linear(t)) continue;
    if (const codec::WeightFormat* f = tensors[i].format)
      packed[{f->bits, f->group_size, f->kind == codec::Kind::symmetric}].push_back(linear_module(t));
    else
      plain.push_back(linear_module(t));
  }
  Value groups = Value::object();
  for (const auto& [scheme, modules] : packed) groups[fmt::format("group_{}", groups.size())] = group_entry(scheme, modules);
  return {{"quant_method", "compressed-tensors"},
          {"format", kFormat},
          {"quantization_status", "compressed"},
          {"config_groups", std::move(groups)},
          {"ignore", patterns(plain)}};
}

}  // namespace jang::targets::compressed_tensors
