// SPDX-License-Identifier: Apache-2.0
// Asking the table whether a bundle fits. See mlx_fit.h.
#include "format/targets/mlx/class_fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "arch/config_edit.h"
#include "arch/path.h"
#include "format/targets/mlx/class_lookup.h"
#include "tensor/shape.h"

namespace jang::targets::mlx {
namespace {

constexpr std::int64_t kMaxNumber = 1 << 20;  // three of them multiply without overflow

// The next word of a formula, up to one of `ends`, which is left in place.
std::string_view take_word(std::string_view* formula, std::string_view ends) {
  const std::string_view word = formula->substr(0, formula->find_first_of(ends));
  formula->remove_prefix(word.size());
  return word;
}

std::optional<std::int64_t> value_of(std::string_view word, const json::Value& text, const json::Value& config) {
  if (const int literal = arch::component_number(word); literal >= 0) return literal;
  if (!word.ends_with('!')) return config_number(word, text, config);
  word.remove_suffix(1);
  const std::string key(word);
  for (const json::Value* place : {&text, &config})
    if (json::find(*place, key.c_str()) != nullptr) return config_number(word, text, config);
  return std::nullopt;
}

std::optional<std::int64_t> product_of(std::string_view product, const json::Value& text, const json::Value& config) {
  std::int64_t result = 1;
  for (char operation = '*'; !product.empty();) {
    const auto value = value_of(take_word(&product, "*/"), text, config);
    if (!value || (operation == '/' && (*value == 0 || result % *value != 0))) return std::nullopt;
    result = operation == '/' ? result / *value : result * *value;
    if (product.empty()) break;
    operation = product.front();
    product.remove_prefix(1);
  }
  return result;
}

// The class makes layers of one kind only where both are asked for by index: it looks for the first of each.
std::string one_kind_of_layer(const ModelClass& model_class, const json::Value& text) {
  if (model_class.name != "jamba") return {};
  const json::Value* types = json::find(text, "layers_block_type");
  const auto n_layers = config_number("num_hidden_layers", text, text);
  std::size_t n_attention = 0, n = 0;
  if (types != nullptr && types->is_array()) {
    n = types->size();
    n_attention = static_cast<std::size_t>(std::count(types->begin(), types->end(), "attention"));
  } else {
    const auto period = config_number("attn_layer_period", text, text), offset = config_number("attn_layer_offset", text, text);
    if (!n_layers || !period || !offset || *period == 0) return {};
    n = static_cast<std::size_t>(*n_layers);
    for (std::int64_t i = 0; i < *n_layers; ++i) n_attention += i % *period == *offset;
  }
  if (n_attention > 0 && n_attention < n) return {};
  return fmt::format(
      "config.json gives {} of {} layers attention, and mlx-lm's class '{}' opens only models that have layers of both kinds", n_attention,
      n, model_class.name);
}

bool any_fits(std::span<const std::string_view> patterns, std::string_view name) {
  const auto path = arch::split_path(name);
  return std::ranges::any_of(patterns, [&](std::string_view p) { return fits_pattern(p, path); });
}

std::string shape_refusal(const ModelClass& model_class, const json::Value& config, const arch::OutTensor& t) {
  const json::Value& text = arch::text_config(config);
  const auto path = arch::split_path(t.module);
  for (const ClassShape& s : model_class.shapes) {
    if (!fits_pattern(s.module, path) || t.name == t.module) continue;
    Shape wanted;
    for (const std::string_view side : {s.rows, s.columns})
      if (!side.empty()) wanted.push_back(dimension(side, text, config).value_or(-1));
    if (t.shape == wanted || std::ranges::find(wanted, -1) != wanted.end()) continue;
    const bool derives = (std::string(s.rows) + std::string(s.columns)).find("head_dim") == std::string::npos;
    return fmt::format(
        "tensor '{}' is {}, and mlx-lm's class '{}' makes it {}{}; no setting of config.json changes that, only a later "
        "mlx-lm can open this model",
        t.name, jang::to_string(t.shape), model_class.name, jang::to_string(wanted),
        derives ? ": it has heads of hidden_size / num_attention_heads values whatever head_dim says" : "");
  }
  return {};
}

}  // namespace

std::optional<std::int64_t> config_number(std::string_view key, const json::Value& text, const json::Value& config) {
  const std::string name(key);
  for (const json::Value* place : {&text, &config}) {
    const json::Value* value = json::find(*place, name.c_str());
    if (value == nullptr) continue;
    if (!value->is_number_integer() || *value < 0 || *value > kMaxNumber) return std::nullopt;
    return value->get<std::int64_t>();
  }
  if (key == "num_key_value_heads") return config_number("num_attention_heads", text, config);
  return key == "head_dim" ? dimension("hidden_size/num_attention_heads", text, config) : std::nullopt;
}

std::optional<std::int64_t> dimension(std::string_view formula, const json::Value& text, const json::Value& config) {
  std::int64_t sum = 0;
  while (!formula.empty()) {
    const auto product = product_of(take_word(&formula, "+"), text, config);
    if (!product) return std::nullopt;
    sum += *product;
    if (!formula.empty()) formula.remove_prefix(1);
  }
  return sum;
}

std::string config_refusal(const ModelClass& model_class, const json::Value& config) {
  const json::Value& text = arch::text_config(config);
  if (std::string why = one_kind_of_layer(model_class, text); !why.empty()) return why;
  for (const std::string_view key : model_class.required)
    if (!config.contains(std::string(key)))
      return fmt::format("config.json has no '{}', which mlx-lm's class '{}' demands", key, model_class.name);
  for (const std::string_view key : model_class.not_null) {
    const auto value = text.find(std::string(key));
    if (value != text.end() && value->is_null())
      return fmt::format("config.json: '{}' is null, and mlx-lm's class '{}' cannot be built without it", key, model_class.name);
  }
  return {};
}

std::string tensor_refusal(const ModelClass& model_class, const json::Value& config, std::span<const arch::OutTensor> tensors) {
  std::set<std::string_view> names;
  for (const arch::OutTensor& t : tensors) names.insert(t.name);
  for (const arch::OutTensor& t : tensors) {
    if (std::string why = shape_refusal(model_class, config, t); !why.empty()) return why;
    if (t.name != t.module && any_fits(model_class.biased, t.module) && !names.contains(t.module + ".bias"))
      return fmt::format("mlx-lm's class '{}' demands tensor '{}.bias', and this checkpoint has none", model_class.name, t.module);
    constexpr std::string_view kBias = ".bias";
    if (t.name.ends_with(kBias) && any_fits(model_class.unbiased, t.name.substr(0, t.name.size() - kBias.size())))
      return fmt::format("mlx-lm's class '{}' has no place for tensor '{}' {}", model_class.name, t.name, jang::to_string(t.shape));
  }
  return {};
}

}  // namespace jang::targets::mlx
