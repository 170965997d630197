// SPDX-License-Identifier: Apache-2.0
// See the header. Fields and their other names are those of humming-kernels 0.1.19, the order of rules that of vLLM 0.33.
#include "format/targets/humming/quantization_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <map>

#include "format/targets/dynamic_rules.h"
#include "format/targets/hugging_face.h"

namespace jang::targets::humming {
namespace {

using json::Value;

constexpr std::size_t kMaxEntries = 1u << 20;
constexpr std::int64_t kMostCompared = std::int64_t{1} << 26;  // parts of names with names, as NamePatterns bounds its questions
constexpr std::string_view kDynamic = "dynamic", kIgnored[] = {"ignored_layers", "ignore", "modules_to_not_convert"};

Status corrupt(std::string_view key, const std::string& why) {
  return {StatusCode::corrupt, fmt::format("quantization_config: {} {}", key, why)};
}

Status unsupported(std::string_view key, const Value& value) {
  return {StatusCode::unsupported,
          fmt::format("quantization_config: {} {}; of the method humming whole-number weights with one scale for every group are read", key,
                      json::dump(value).substr(0, 60))};
}

// A field under its own name, else under the first of the others; null where it is absent or null.
const Value* field(const Value& object, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names)
    if (const Value* v = json::find(object, name)) return v->is_null() ? nullptr : v;
  return nullptr;
}

bool is_one_of(const Value& v, std::initializer_list<std::string_view> texts) {
  return v.is_string() && std::ranges::find(texts, v.get_ref<const std::string&>()) != texts.end();
}

// "uint4" -> 4.
Result<std::int64_t> bits_of(const Value& object) {
  const Value* v = field(object, {"b_dtype", "weight_dtype", "dtype"});
  if (v == nullptr || !v->is_string()) return corrupt("b_dtype", "is no name of a type");
  std::string_view name = v->get_ref<const std::string&>();
  if (name.starts_with("u")) name.remove_prefix(1);
  if (!name.starts_with("int") || name.size() != 4 || name[3] < '1' || name[3] > '8') return unsupported("b_dtype", *v);
  return name[3] - '0';
}

Status check_fields(const Value& object) {
  if (const Value* v = field(object, {"weight_scale_group_size_n", "group_size_n"}); v != nullptr && *v != 0 && *v != 1)
    return unsupported("weight_scale_group_size_n", *v);
  if (const Value* v = field(object, {"weight_scale_type", "scale_type"}); v != nullptr && !is_one_of(*v, {"group"}))
    return unsupported("weight_scale_type", *v);
  if (const Value* v = field(object, {"weight_scale_2_type", "scale_2_type"}); v != nullptr && !is_one_of(*v, {"none"}))
    return unsupported("weight_scale_2_type", *v);
  if (const Value* v = field(object, {"bs_dtype", "weight_scale_dtype", "scale_dtype"});
      v != nullptr && !is_one_of(*v, {"float16", "bfloat16"}))
    return unsupported("bs_dtype", *v);
  if (const Value* v = field(object, {"hadamard_block_size"}); v != nullptr && *v != 0 && *v != 1)
    return unsupported("hadamard_block_size", *v);
  if (const Value* v = field(object, {"a_dtype", "input_dtype"}); v != nullptr && !is_one_of(*v, {"float16", "bfloat16"}))
    return unsupported("a_dtype", *v);
  return {};
}

Result<Scheme> read_scheme(const Value& object) {
  JANG_TRY(check_fields(object));
  Scheme s;
  JANG_ASSIGN(s.bits, bits_of(object));
  if (const Value* g = field(object, {"weight_scale_group_size", "group_size"})) {
    if (!g->is_number_integer() || *g < 0 || *g > (1 << 20)) return corrupt("weight_scale_group_size", "is no number of inputs");
    s.group_size = g->get<std::int64_t>();
  }
  JANG_ASSIGN(const bool has_zeros, json::get_bool(object, "has_zero_point", false));
  JANG_ASSIGN(const bool are_floats, json::get_bool(object, "is_fp_zero_point", false));
  s.kind = !has_zeros ? codec::Kind::symmetric : are_floats ? codec::Kind::float_zero : codec::Kind::integer_zero;
  return s;
}

Value written(const Scheme& s) {
  const bool has_zeros = s.kind == codec::Kind::float_zero;
  return {{"b_dtype", fmt::format("uint{}", s.bits)},
          {"weight_scale_group_size", s.group_size},
          {"has_zero_point", has_zeros},
          {"is_fp_zero_point", has_zeros}};
}

}  // namespace

Status ModuleSchemes::add_rules(const Value& dynamic, const Value& whole) {
  if (!dynamic.is_object() || dynamic.size() > kMaxEntries) return corrupt(kDynamic, "is not an object of rules");
  for (const auto& [text, rule] : dynamic.items()) {
    const bool packed = text.starts_with("+");
    if (!packed && !text.starts_with("-")) continue;  // no reader asks for it
    const std::string where = fmt::format("quantization_config: dynamic: {}", json::quote(text));
    if (!rule.is_object()) return Status(StatusCode::corrupt, where + " is not an object");
    Entry entry{text, std::nullopt, static_cast<int>(patterns_.size())};
    if (text.size() < 2) return Status(StatusCode::corrupt, where + " has no expression");
    if (const Status s = patterns_.add(std::string_view(text).substr(2)); !s.ok()) return s.with_context(where);
    if (packed) {
      Value merged = whole;
      merged.update(rule);
      Result<Scheme> scheme = read_scheme(merged);
      if (!scheme.ok()) return scheme.status().with_context(where);
      entry.scheme = *scheme;
    }
    entries_.push_back(std::move(entry));
  }
  return {};
}

Status ModuleSchemes::add_ignored(const Value& config) {
  const Value* list = field(config, {kIgnored[0], kIgnored[1], kIgnored[2]});
  if (list == nullptr) return {};
  if (!list->is_array() || list->size() > kMaxEntries) return corrupt("ignore", "is no list of names");
  constexpr std::string_view kExpression = "re:";
  for (const Value& name : *list) {
    if (!name.is_string()) return corrupt("ignore", "is no list of names");
    Entry entry{name.get<std::string>(), std::nullopt, -1};
    if (entry.text.starts_with(kExpression)) {
      entry.expression = static_cast<int>(patterns_.size());
      if (const Status s = patterns_.add(std::string_view(entry.text).substr(kExpression.size())); !s.ok())
        return s.with_context("quantization_config: ignore: " + json::quote(entry.text));
    }
    entries_.push_back(std::move(entry));
  }
  return {};
}

Result<ModuleSchemes> ModuleSchemes::create(const Value& config) {
  if (!config.is_object()) return Status(StatusCode::corrupt, "quantization_config is not an object");
  ModuleSchemes out;
  JANG_ASSIGN(out.whole_, read_scheme(config));
  JANG_TRY(out.add_ignored(config));
  const Value* dynamic = field(config, {kDynamic});
  if (dynamic == nullptr) return out;
  Value whole = config;
  for (const std::string_view key : {kDynamic, kIgnored[0], kIgnored[1], kIgnored[2]}) whole.erase(std::string(key));
  JANG_TRY(out.add_rules(*dynamic, whole));
  return out;
}

Result<bool> ModuleSchemes::names(const Entry& entry, const std::string& name) {
  if (entry.expression < 0) {
    if (++compared_ > kMostCompared) return Status(StatusCode::unsupported, "quantization_config: too many modules for so long an ignore");
    return name.find(entry.text) != std::string::npos;
  }
  return patterns_.matches(static_cast<std::size_t>(entry.expression), name);
}

Result<const ModuleSchemes::Entry*> ModuleSchemes::find(const std::string& module, bool packed) {
  for (const std::string& name : engine_names(module))
    for (const Entry& entry : entries_) {
      if (entry.scheme.has_value() != packed) continue;
      JANG_ASSIGN(const bool found, names(entry, name));
      if (found) return &entry;
    }
  return nullptr;
}

Result<Scheme> ModuleSchemes::scheme_of(const std::string& module) {
  JANG_ASSIGN(const Entry* const entry, find(module, true));
  return entry == nullptr ? whole_ : *entry->scheme;
}

Result<const std::string*> ModuleSchemes::left_out(const std::string& module) {
  JANG_ASSIGN(const Entry* const entry, find(module, false));
  return entry == nullptr ? nullptr : &entry->text;
}

std::string describe(const Scheme& s) {
  const std::string_view zeros = s.kind == codec::Kind::float_zero     ? "float zero points"
                                 : s.kind == codec::Kind::integer_zero ? "whole zero points"
                                                                       : "no zero points";
  return fmt::format("{} bits, group {}, {}", s.bits, s.group_size, zeros);
}

Value quantization_config(const arch::Model& model, std::span<const TensorRecord> tensors) {
  const auto scheme = [](const codec::WeightFormat& f) { return Scheme{f.bits, f.group_size, f.kind}; };
  std::map<Scheme, std::int64_t> weights;
  for (std::size_t i = 0; i < tensors.size(); ++i)
    if (const codec::WeightFormat* f = tensors[i].format) weights[scheme(*f)] += elements(model.tensors[i].shape);
  if (weights.empty()) return nullptr;
  const Scheme most = std::ranges::max_element(weights, {}, [](const auto& row) { return row.second; })->first;
  std::map<Scheme, std::vector<std::string>> others;
  std::vector<std::string> plain;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const arch::OutTensor& t = model.tensors[i];
    if (!is_linear(t) || linear_module(t) == kHead) continue;
    const codec::WeightFormat* f = tensors[i].format;
    if (f == nullptr)
      add_rule_names(t, &plain);
    else if (scheme(*f) != most)
      add_rule_names(t, &others[scheme(*f)]);
  }
  Value dynamic = Value::object();
  for (const auto& [other, names] : others) targets::add_rules("+:", names, written(other), &dynamic);
  targets::add_rules("-:", plain, Value::object(), &dynamic);
  Value config = {{"quant_method", "humming"}};
  config.update(written(most));
  if (!dynamic.empty()) config[std::string(kDynamic)] = std::move(dynamic);
  return config;
}

}  // namespace jang::targets::humming
