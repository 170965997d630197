// SPDX-License-Identifier: Apache-2.0
// Edits that bring configs to one spelling, that of older versions of transformers, which most loaders read: keys that moved between
// versions, and nothing else. Keys are only added or, where readers of the old spelling would take another value, corrected.
#pragma once

#include <cstdint>
#include <functional>

#include "arch/family.h"

namespace jang::arch {

// transformers 5 keeps rope_theta and scaling inside "rope_parameters"; older versions have them at the top.
[[nodiscard]] Status flatten_rope(json::Value* text);
// The same for two kinds of layers: full_attention gives rope_theta and rope_scaling, sliding_attention rope_local_base_freq.
[[nodiscard]] Status flatten_rope_by_layer_type(json::Value* text);

// Copies the rotated part of a head out of rope_parameters, where new configs have it, to the top, where old ones do and loaders look.
void lift_partial_rotary(json::Value* text);

// Copies `text[from]` to `text[to]` when only `from` is there.
void alias_key(json::Value* text, const char* from, const char* to);

// Copies `text[from]` to `text[to]` whatever stands there.
void copy_key(json::Value* text, const char* from, const char* to);

// Writes `period_key` = p when "layer_types" says `periodic_type` exactly on every p-th layer. A list with no such layer, or no list,
// leaves the config as it is. Errors: unsupported when the list has no period, corrupt when it contradicts the number of layers.
[[nodiscard]] Status period_from_layer_types(json::Value* text, const char* periodic_type, const char* period_key);

// Writes mlp_only_layers, the layers below num_hidden_layers for which `is_dense` holds. Errors: corrupt (a number of layers out of range).
[[nodiscard]] Status list_dense_layers(json::Value* text, const std::function<bool(std::int64_t layer)>& is_dense);

// Adds the family's defaults for keys that are absent or null.
void add_defaults(std::span<const ConfigDefault> defaults, json::Value* text);

// The object with the language model's numbers: text_config where it is one, else the config itself.
[[nodiscard]] const json::Value& text_config(const json::Value& config);
[[nodiscard]] json::Value* text_config(json::Value* config);

}  // namespace jang::arch
