// SPDX-License-Identifier: Apache-2.0
// What the configs of these families say about their state spaces.
#include "arch/families/mamba.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <tuple>

#include "arch/config_edit.h"
#include "arch/decoder_config.h"

namespace jang::arch::mamba {
namespace {

constexpr const char* kKey = "time_step_limit";
constexpr double kMost = std::numeric_limits<float>::max();

Result<double> limit(const json::Value& value) {
  const json::Value* named = value.is_object() ? json::find(value, "__float__") : nullptr;  // as transformers writes what JSON lacks
  if (named != nullptr && *named == "Infinity") return kMost;
  const double number = value.is_number() ? value.get<double>() : -1;
  if (!(number >= 0)) return Status(StatusCode::corrupt, fmt::format("config.json: '{}' must be two numbers from 0 on", kKey));
  return std::min(number, kMost);
}

}  // namespace

void name_numbers(std::span<const Number> numbers, json::Value* text) {
  for (const Number& n : numbers) {
    alias_key(text, n.read, n.published);
    if (json::find(*text, n.published) == nullptr) (*text)[n.published] = n.fallback;
    copy_key(text, n.published, n.read);
  }
}

void name_biases(json::Value* text) {
  for (const auto& [published, read, fallback] :
       {std::tuple{"use_bias", "mamba_proj_bias", false}, {"use_conv_bias", "mamba_conv_bias", true}}) {
    if (json::find(*text, published) == nullptr) (*text)[published] = fallback;
    copy_key(text, published, read);
  }
}

Status check_activation(const json::Value& text, const char* key) {
  JANG_ASSIGN(const std::string name, json::get_string(text, key, "silu"));
  if (name == "silu" || name == "swish") return {};
  return {StatusCode::unsupported,
          fmt::format("config.json: {} {} is not supported by the engine in state spaces", key, json::quote(name))};
}

void normalise_by_groups(DecoderConfig* config) {
  for (LayerSpec& layer : config->layers)
    if (auto* mixer = std::get_if<MambaSpec>(&layer.mixer); mixer != nullptr) mixer->norm_groups = mixer->groups;
}

Status write_step_limits(json::Value* text) {
  double least = 0, most = kMost;
  if (const json::Value* given = json::find(*text, kKey); given != nullptr) {
    if (!given->is_array() || given->size() != 2)
      return {StatusCode::corrupt, fmt::format("config.json: '{}' must be two numbers from 0 on", kKey)};
    JANG_ASSIGN(least, limit((*given)[0]));
    JANG_ASSIGN(most, limit((*given)[1]));
  }
  (*text)[kKey] = {least, most};
  return {};
}

void write_least_step(double least, json::Value* text) { (*text)[kKey] = {least, kMost}; }

Status read_step_limits(const json::Value& text, DecoderConfig* config) {
  json::Value written = text;
  JANG_TRY(write_step_limits(&written));
  for (LayerSpec& layer : config->layers)
    if (auto* mixer = std::get_if<MambaSpec>(&layer.mixer); mixer != nullptr) {
      mixer->least_step = written[kKey][0].get<float>();
      mixer->most_step = written[kKey][1].get<float>();
    }
  return {};
}

}  // namespace jang::arch::mamba
