// SPDX-License-Identifier: Apache-2.0
// Asking the table whether a bundle fits. See mlx_fit.h.
#include "arch/mlx_fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "arch/path.h"
#include "tensor/shape.h"

namespace jang::arch {
namespace {

constexpr std::int64_t kMaxNumber = 1 << 20;  // three of them multiply without overflow

const json::Value& text_of(const json::Value& config) {
  const json::Value* text = json::find(config, "text_config");
  return text != nullptr && text->is_object() ? *text : config;
}

// The next word of a formula, up to one of `ends`, which is left in place.
std::string_view take_word(std::string_view* formula, std::string_view ends) {
  const std::string_view word = formula->substr(0, formula->find_first_of(ends));
  formula->remove_prefix(word.size());
  return word;
}

std::optional<std::int64_t> value_of(std::string_view word, const json::Value& text, const json::Value& config) {
  if (const int literal = component_number(word); literal >= 0) return literal;
  if (!word.ends_with('!')) return mlx_number(word, text, config);
  word.remove_suffix(1);
  const std::string key(word);
  for (const json::Value* place : {&text, &config})
    if (json::find(*place, key.c_str()) != nullptr) return mlx_number(word, text, config);
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
std::string one_kind_of_layer(const MlxClass& mlx_class, const json::Value& text) {
  if (mlx_class.name != "jamba") return {};
  const json::Value* types = json::find(text, "layers_block_type");
  const auto n_layers = mlx_number("num_hidden_layers", text, text);
  std::size_t n_attention = 0, n = 0;
  if (types != nullptr && types->is_array()) {
    n = types->size();
    n_attention = static_cast<std::size_t>(std::count(types->begin(), types->end(), "attention"));
  } else {
    const auto period = mlx_number("attn_layer_period", text, text), offset = mlx_number("attn_layer_offset", text, text);
    if (!n_layers || !period || !offset || *period == 0) return {};
    n = static_cast<std::size_t>(*n_layers);
    for (std::int64_t i = 0; i < *n_layers; ++i) n_attention += i % *period == *offset;
  }
  if (n_attention > 0 && n_attention < n) return {};
  return fmt::format(
      "config.json gives {} of {} layers attention, and mlx-lm's class '{}' opens only models that have layers of both kinds", n_attention,
      n, mlx_class.name);
}

// Configs of transformers 5 name the kinds of layers anew, and give a period where the class wants a pattern.
std::string unknown_value(const MlxClass& mlx_class, const json::Value& text) {
  const json::Value* types = json::find(text, "layer_types");
  if (mlx_class.name.starts_with("granitemoehybrid") && types != nullptr && types->is_array())
    for (const json::Value& t : *types)
      if (t != "mamba" && t != "attention")
        return fmt::format("config.json: mlx-lm's class '{}' knows the layer types mamba and attention, not {}; write these names",
                           mlx_class.name, json::quote(json::dump(t), 64));
  const json::Value* period = json::find(text, "sliding_window_pattern");
  if (mlx_class.name == "exaone4" && period != nullptr && !period->is_string())
    return fmt::format("config.json: mlx-lm's class '{}' wants sliding_window_pattern as a text such as LLLG", mlx_class.name);
  return one_kind_of_layer(mlx_class, text);
}

bool any_fits(std::span<const std::string_view> patterns, std::string_view name) {
  const auto path = split_path(name);
  return std::ranges::any_of(patterns, [&](std::string_view p) { return fits_pattern(p, path); });
}

std::string shape_refusal(const MlxClass& mlx_class, const json::Value& config, const OutTensor& t) {
  const json::Value& text = text_of(config);
  const auto path = split_path(t.module);
  for (const MlxShape& s : mlx_class.shapes) {
    if (!fits_pattern(s.module, path) || t.name == t.module) continue;
    const auto rows = mlx_dimension(s.rows, text, config), columns = mlx_dimension(s.columns, text, config);
    if (!rows || !columns || t.shape == Shape{*rows, *columns}) continue;
    const bool derives = (std::string(s.rows) + std::string(s.columns)).find("head_dim") == std::string::npos;
    return fmt::format(
        "tensor '{}' is {}, and mlx-lm's class '{}' makes it {}{}; no setting of config.json changes that, only a later "
        "mlx-lm can open this model",
        t.name, jang::to_string(t.shape), mlx_class.name, jang::to_string(Shape{*rows, *columns}),
        derives ? ": it has heads of hidden_size / num_attention_heads values whatever head_dim says" : "");
  }
  return {};
}

}  // namespace

std::optional<std::int64_t> mlx_number(std::string_view key, const json::Value& text, const json::Value& config) {
  const std::string name(key);
  for (const json::Value* place : {&text, &config}) {
    const json::Value* value = json::find(*place, name.c_str());
    if (value == nullptr) continue;
    if (!value->is_number_integer() || *value < 0 || *value > kMaxNumber) return std::nullopt;
    return value->get<std::int64_t>();
  }
  if (key == "num_key_value_heads") return mlx_number("num_attention_heads", text, config);
  return key == "head_dim" ? mlx_dimension("hidden_size/num_attention_heads", text, config) : std::nullopt;
}

std::optional<std::int64_t> mlx_dimension(std::string_view formula, const json::Value& text, const json::Value& config) {
  std::int64_t sum = 0;
  while (!formula.empty()) {
    const auto product = product_of(take_word(&formula, "+"), text, config);
    if (!product) return std::nullopt;
    sum += *product;
    if (!formula.empty()) formula.remove_prefix(1);
  }
  return sum;
}

std::string mlx_config_refusal(const MlxClass& mlx_class, const json::Value& config) {
  const json::Value& text = text_of(config);
  if (std::string why = unknown_value(mlx_class, text); !why.empty()) return why;
  for (const std::string_view key : mlx_class.required)
    if (!config.contains(std::string(key)))
      return fmt::format("config.json has no '{}', which mlx-lm's class '{}' demands", key, mlx_class.name);
  for (const std::string_view key : mlx_class.not_null) {
    const auto value = text.find(std::string(key));
    if (value != text.end() && value->is_null())
      return fmt::format("config.json: '{}' is null, and mlx-lm's class '{}' cannot be built without it", key, mlx_class.name);
  }
  return {};
}

std::string mlx_tensor_refusal(const MlxClass& mlx_class, const json::Value& config, std::span<const OutTensor> tensors) {
  std::set<std::string_view> names;
  for (const OutTensor& t : tensors) names.insert(t.name);
  for (const OutTensor& t : tensors) {
    if (std::string why = shape_refusal(mlx_class, config, t); !why.empty()) return why;
    if (t.name != t.module && any_fits(mlx_class.biased, t.module) && !names.contains(t.module + ".bias"))
      return fmt::format("mlx-lm's class '{}' demands tensor '{}.bias', and this checkpoint has none", mlx_class.name, t.module);
    constexpr std::string_view kBias = ".bias";
    if (t.name.ends_with(kBias) && any_fits(mlx_class.unbiased, t.name.substr(0, t.name.size() - kBias.size())))
      return fmt::format("mlx-lm's class '{}' has no place for tensor '{}' {}", mlx_class.name, t.name, jang::to_string(t.shape));
  }
  return {};
}

}  // namespace jang::arch
