// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "format/targets/gptq/quantization_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "format/targets/dynamic_rules.h"
#include "format/targets/hugging_face.h"

namespace jang::targets::gptq {
namespace {

using json::Value;

constexpr std::size_t kMaxRules = 1u << 20;

Status unsupported(std::string_view key, std::string_view value) {
  return {StatusCode::unsupported, fmt::format("quantization_config: {} {}; read are GPTQ's files of the formats gptq and gptq_v2 in words "
                                               "of 32 bits",
                                               key, json::quote(value))};
}

Result<Scheme> read_scheme(const Value& object, const Scheme& fallback) {
  Scheme out;
  JANG_ASSIGN(out.bits, json::get_int(object, "bits", fallback.bits, 1, 16));
  JANG_ASSIGN(out.group_size, json::get_int(object, "group_size", fallback.group_size, -1, 1 << 20));
  return out;
}

struct Choice {
  int bits = 0, group_size = 0;
  friend auto operator<=>(const Choice&, const Choice&) = default;
};

}  // namespace

Result<Declared> read_config(const Value& config) {
  Declared out;
  JANG_ASSIGN(const std::string format, json::get_string(config, "checkpoint_format", "gptq"));
  if (format != "gptq" && format != "gptq_v2") return unsupported("checkpoint_format", format);
  out.zeros_less_one = format == "gptq";
  JANG_ASSIGN(const std::string words, json::get_string(config, "pack_dtype", "int32"));
  if (words != "int32") return unsupported("pack_dtype", words);
  JANG_ASSIGN(out.by_activations, json::get_bool(config, "desc_act", false));
  JANG_ASSIGN(out.symmetric, json::get_bool(config, "sym", false));
  if (json::find(config, "lm_head") != nullptr) {
    JANG_ASSIGN(out.packs_head, json::get_bool(config, "lm_head", false));
  }
  JANG_ASSIGN(out.whole, read_scheme(config, {}));
  const Value* dynamic = json::find(config, "dynamic");
  if (dynamic == nullptr || dynamic->is_null()) return out;
  if (!dynamic->is_object() || dynamic->size() > kMaxRules)
    return Status(StatusCode::corrupt, "quantization_config: dynamic is not an object of rules");
  for (const auto& [pattern, rule] : dynamic->items()) {
    const std::string where = "quantization_config: dynamic: " + json::quote(pattern);
    if (!rule.is_object()) return Status(StatusCode::corrupt, where + " is not an object");
    const bool is_negative = pattern.starts_with("-:"), has_sign = is_negative || pattern.starts_with("+:");
    if (const Status s = out.patterns.add(std::string_view(pattern).substr(has_sign ? 2 : 0)); !s.ok()) return s.with_context(where);
    Rule read{pattern, std::nullopt};
    if (!is_negative) {
      JANG_ASSIGN(read.scheme, read_scheme(rule, out.whole));
    }
    out.rules.push_back(std::move(read));
  }
  return out;
}

Result<const Rule*> rule_of(Declared* declared, const std::string& module) {
  JANG_ASSIGN(const int index, declared->patterns.first_match(module));
  return index < 0 ? nullptr : &declared->rules[static_cast<std::size_t>(index)];
}

Value quantization_config(const arch::Model& model, std::span<const TensorRecord> tensors) {
  std::map<Choice, std::int64_t> weights;
  for (std::size_t i = 0; i < tensors.size(); ++i)
    if (const codec::WeightFormat* f = tensors[i].format) weights[{f->bits, f->group_size}] += elements(model.tensors[i].shape);
  if (weights.empty()) return nullptr;
  const Choice most = std::ranges::max_element(weights, {}, [](const auto& row) { return row.second; })->first;
  std::map<Choice, std::vector<std::string>> others;
  std::vector<std::string> plain;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const arch::OutTensor& t = model.tensors[i];
    if (!is_linear(t) || linear_module(t) == "lm_head") continue;
    const codec::WeightFormat* f = tensors[i].format;
    if (f == nullptr)
      add_rule_names(t, &plain);
    else if (Choice{f->bits, f->group_size} != most)
      add_rule_names(t, &others[{f->bits, f->group_size}]);
  }
  Value dynamic = Value::object();
  for (const auto& [choice, names] : others) add_rules("+:", names, {{"bits", choice.bits}, {"group_size", choice.group_size}}, &dynamic);
  add_rules("-:", plain, Value::object(), &dynamic);
  Value config = {{"quant_method", "gptq"},      {"bits", most.bits},    {"group_size", most.group_size},
                  {"desc_act", false},           {"sym", true},          {"lm_head", false},
                  {"checkpoint_format", "gptq"}, {"pack_dtype", "int32"}};
  if (!dynamic.empty()) config["dynamic"] = std::move(dynamic);
  return config;
}

}  // namespace jang::targets::gptq
