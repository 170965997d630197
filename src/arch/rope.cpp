// SPDX-License-Identifier: Apache-2.0
// Inverse frequencies of the RoPE types. See rope.h.
#include "arch/rope.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace jang::arch {
namespace {

constexpr double kLargest = 1e12;  // of any RoPE number: keeps every quotient finite

// A number of `object`, > 0, or `fallback` when absent.
Result<double> positive(const json::Value& object, const char* key, double fallback) {
  JANG_ASSIGN(const double value, json::get_number(object, key, fallback));
  if (!(value > 0) || value > kLargest)
    return Status(StatusCode::corrupt,
                  fmt::format("config.json: RoPE '{}' is {}, expected a number above 0 and at most {:g}", key, value, kLargest));
  return value;
}

double at_least_one(std::int64_t positions) { return static_cast<double>(std::max<std::int64_t>(positions, 1)); }

// The context a model was trained on before it was stretched.
Result<double> original_context(const json::Value& parameters, const json::Value& text, const RopeDefaults& defaults) {
  constexpr const char* kKey = "original_max_position_embeddings";
  JANG_ASSIGN(const double inner, positive(parameters, kKey, at_least_one(defaults.max_positions)));
  return defaults.outer_original ? positive(text, kKey, inner) : inner;
}

// theta^(2j / dims), rounded as float32 arithmetic does it.
std::vector<float> wavelengths(const Rope& rope) {
  std::vector<float> powers(static_cast<std::size_t>(rope.dims / 2));
  for (std::size_t j = 0; j < powers.size(); ++j) {
    const float exponent = static_cast<float>(2 * j) / static_cast<float>(rope.dims);
    powers[j] = static_cast<float>(std::pow(rope.theta, static_cast<double>(exponent)));
  }
  return powers;
}

Status apply_linear(const json::Value& parameters, Rope* rope) {
  JANG_ASSIGN(const double factor, positive(parameters, "factor", 1));
  for (float& f : rope->inv_freq) f /= static_cast<float>(factor);
  return {};
}

// Long waves are stretched by `factor`, short ones kept, those between blended.
Status apply_llama3(const json::Value& parameters, double context, Rope* rope) {
  JANG_ASSIGN(const double factor, positive(parameters, "factor", 8));
  JANG_ASSIGN(const double low, positive(parameters, "low_freq_factor", 1));
  JANG_ASSIGN(const double high, positive(parameters, "high_freq_factor", 4));
  if (!(high >= low)) return {StatusCode::corrupt, "config.json: RoPE 'high_freq_factor' is below 'low_freq_factor'"};
  for (float& f : rope->inv_freq) {
    const float wave = static_cast<float>(2 * std::numbers::pi) / f;
    const float smooth = (static_cast<float>(context) / wave - static_cast<float>(low)) / static_cast<float>(high - low);
    if (wave > static_cast<float>(context / low))
      f /= static_cast<float>(factor);
    else if (high > low && !(wave < static_cast<float>(context / high)))  // published Llama 4 has them equal: nothing lies between
      f = (1.0f - smooth) * f / static_cast<float>(factor) + smooth * f;
  }
  return {};
}

// YaRN's temperature: 0.1 m ln(s) + 1.
double yarn_scale(double factor, double m) { return factor <= 1 ? 1.0 : 0.1 * m * std::log(factor) + 1.0; }

struct Range {
  double low, high;
};

// Dimensions between which YaRN blends: those that turn beta_fast and beta_slow times within the original context.
Result<Range> yarn_range(const json::Value& parameters, double context, const Rope& rope) {
  JANG_ASSIGN(const double fast, positive(parameters, "beta_fast", 32));
  JANG_ASSIGN(const double slow, positive(parameters, "beta_slow", 1));
  JANG_ASSIGN(const bool truncate, json::get_bool(parameters, "truncate", true));
  const auto dimension = [&](double turns) {
    return static_cast<double>(rope.dims) * std::log(context / (turns * 2 * std::numbers::pi)) / (2 * std::log(rope.theta));
  };
  Range r{dimension(fast), dimension(slow)};
  if (truncate) r = {std::floor(r.low), std::ceil(r.high)};
  r = {std::max(r.low, 0.0), std::min(r.high, static_cast<double>(rope.dims - 1))};
  if (r.low == r.high) r.high += 0.001;
  return r;
}

Status apply_yarn(const json::Value& parameters, double context, std::int64_t max_positions, Rope* rope) {
  JANG_ASSIGN(const double factor, positive(parameters, "factor", at_least_one(max_positions) / context));
  if (!(rope->theta > 1)) return {StatusCode::corrupt, "config.json: RoPE type yarn needs a rope_theta above 1"};
  JANG_ASSIGN(const Range range, yarn_range(parameters, context, *rope));
  JANG_ASSIGN(const double mscale, json::get_number(parameters, "mscale", 0));
  JANG_ASSIGN(const double mscale_all, json::get_number(parameters, "mscale_all_dim", 0));
  const double inferred =
      mscale != 0 && mscale_all != 0 ? yarn_scale(factor, mscale) / yarn_scale(factor, mscale_all) : yarn_scale(factor, 1);
  JANG_ASSIGN(const double attention_factor, positive(parameters, "attention_factor", inferred));
  rope->attention_factor = static_cast<float>(attention_factor);

  const std::vector<float> waves = wavelengths(*rope);
  for (std::size_t j = 0; j < waves.size(); ++j) {
    const float ramp = (static_cast<float>(j) - static_cast<float>(range.low)) / static_cast<float>(range.high - range.low);
    const float keep = 1.0f - std::clamp(ramp, 0.0f, 1.0f);
    const float kept = 1.0f / waves[j], stretched = 1.0f / (static_cast<float>(factor) * waves[j]);
    rope->inv_freq[j] = stretched * (1.0f - keep) + kept * keep;
  }
  return {};
}

// A frequency is divided by the factor of its pair. Both lists are checked, though the long one is for texts that this Rope does not serve.
Status apply_longrope(const json::Value& parameters, double context, std::int64_t max_positions, Rope* rope) {
  std::vector<double> factors[2];
  for (const auto& [i, key] : {std::pair{0, "short_factor"}, {1, "long_factor"}}) {
    const json::Value* list = json::find(parameters, key);
    const bool is_list = list != nullptr && list->is_array() && list->size() == rope->inv_freq.size();
    if (!is_list || !std::ranges::all_of(*list, [](const json::Value& f) { return f.is_number() && f > 0 && f <= kLargest; }))
      return {StatusCode::corrupt,
              fmt::format("config.json: RoPE '{}' must list {} numbers above 0, one for each pair", key, rope->inv_freq.size())};
    for (const json::Value& f : *list) factors[i].push_back(f.get<double>());
  }
  const std::vector<float> waves = wavelengths(*rope);
  for (std::size_t j = 0; j < waves.size(); ++j) rope->inv_freq[j] = 1.0f / (static_cast<float>(factors[0][j]) * waves[j]);
  JANG_ASSIGN(const double factor, positive(parameters, "factor", at_least_one(max_positions) / context));
  const double inferred = factor <= 1 || context <= 1 ? 1.0 : std::sqrt(1 + std::log(factor) / std::log(context));
  JANG_ASSIGN(const double attention_factor, positive(parameters, "attention_factor", inferred));
  rope->attention_factor = static_cast<float>(attention_factor);
  if (factors[0] != factors[1]) rope->context = static_cast<std::int64_t>(context);
  return {};
}

// The frequencies are those of a whole head; beyond the part that turns they are zero.
Status apply_proportional(const json::Value& parameters, Rope* rope) {
  JANG_ASSIGN(const double part, positive(parameters, "partial_rotary_factor", 1));
  JANG_ASSIGN(const double factor, positive(parameters, "factor", 1));
  if (part > 1) return {StatusCode::corrupt, fmt::format("config.json: RoPE 'partial_rotary_factor' is {}, expected at most 1", part)};
  const auto turning = static_cast<std::size_t>(std::floor(part * static_cast<double>(rope->dims) / 2));
  for (std::size_t j = 0; j < rope->inv_freq.size(); ++j)
    rope->inv_freq[j] = j < turning ? rope->inv_freq[j] / static_cast<float>(factor) : 0.0f;
  return {};
}

Status apply_alpha(const json::Value& parameters, Rope* rope) {
  JANG_ASSIGN(const double alpha, positive(parameters, "alpha", 1));
  const auto dims = static_cast<double>(rope->dims);
  if (rope->dims > 2) rope->theta *= std::pow(alpha, dims / (dims - 2));
  if (!(rope->theta <= kLargest)) return {StatusCode::corrupt, fmt::format("config.json: RoPE 'alpha' is {}, too large", alpha)};
  rope->inv_freq = wavelengths(*rope);
  for (float& f : rope->inv_freq) f = 1.0f / f;
  return {};
}

// "rope_type" or, in older configs, "type".
Result<std::string> type_of(const json::Value& parameters) {
  JANG_ASSIGN(const std::string old_type, json::get_string(parameters, "type", "default"));
  return json::get_string(parameters, "rope_type", old_type);
}

}  // namespace

Result<Rope> read_rope(const json::Value* given, const json::Value& text, const char* theta_key, std::int64_t head_dim,
                       const RopeDefaults& defaults) {
  static const json::Value kNone = json::Value::object();
  const json::Value& parameters = given != nullptr ? *given : kNone;
  if (!parameters.is_object()) return Status(StatusCode::corrupt, "config.json: RoPE parameters must be an object");
  Rope rope;
  JANG_ASSIGN(rope.type, type_of(parameters));
  JANG_ASSIGN(const double outer_theta, positive(text, theta_key, defaults.theta));
  JANG_ASSIGN(rope.theta, positive(parameters, "rope_theta", outer_theta));
  double part = 1;
  if (defaults.reads_partial && rope.type != "proportional") {
    JANG_ASSIGN(const double outer_part, positive(text, "partial_rotary_factor", defaults.partial_factor));
    JANG_ASSIGN(part, positive(parameters, "partial_rotary_factor", outer_part));
  }
  rope.dims = part <= 1 ? static_cast<std::int64_t>(static_cast<double>(head_dim) * part) : 0;
  if (rope.dims < 2 || rope.dims % 2 != 0)
    return Status(StatusCode::corrupt,
                  fmt::format("config.json: RoPE over {:g} of head_dim {}: not an even number of values", part, head_dim));
  rope.inv_freq = wavelengths(rope);
  for (float& f : rope.inv_freq) f = 1.0f / f;

  if (rope.type == "linear") JANG_TRY(apply_linear(parameters, &rope));
  if (rope.type == "proportional") JANG_TRY(apply_proportional(parameters, &rope));
  if (rope.type == "llama3" || rope.type == "yarn" || rope.type == "longrope") {
    JANG_ASSIGN(const double context, original_context(parameters, text, defaults));
    JANG_TRY(rope.type == "llama3" ? apply_llama3(parameters, context, &rope)
             : rope.type == "yarn" ? apply_yarn(parameters, context, defaults.max_positions, &rope)
                                   : apply_longrope(parameters, context, defaults.max_positions, &rope));
  }
  const bool has_alpha = defaults.fixed_alpha && rope.type == "dynamic" && json::find(parameters, "alpha") != nullptr;
  if (has_alpha) JANG_TRY(apply_alpha(parameters, &rope));
  // Texts within max_position_embeddings turn plainly; theta grows with the length of longer ones.
  const bool has_plain_part = rope.type == "dynamic" && !defaults.fixed_alpha && json::find(parameters, "factor") != nullptr;
  if (has_plain_part) {
    JANG_TRY(positive(parameters, "factor", 1).status());
    rope.context = defaults.max_positions;
  }
  if (rope.type != "default" && rope.type != "linear" && rope.type != "llama3" && rope.type != "yarn" && rope.type != "longrope" &&
      rope.type != "proportional" && !has_alpha && !has_plain_part)
    return Status(
        StatusCode::unsupported,
        fmt::format("config.json: RoPE type {} is not supported by the engine (default, linear, dynamic with a factor, llama3, yarn, "
                    "longrope and proportional are)",
                    json::quote(rope.type)));
  for (const float f : rope.inv_freq)
    if (!std::isfinite(f)) return Status(StatusCode::corrupt, "config.json: RoPE frequencies are not finite");
  return rope;
}

}  // namespace jang::arch
