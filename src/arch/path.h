// SPDX-License-Identifier: Apache-2.0
// Dotted tensor paths: "model.layers.3.mlp.experts.7.up_proj.weight". Everything in src/arch compares whole components, never substrings,
// so that "gate" does not match "gate_proj" and "norm" does not match "normalizer".
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace jang::arch {

// Components between the dots, in order; views into `path`.
[[nodiscard]] std::vector<std::string_view> split_path(std::string_view path);

// `path` is `prefix` or begins with `prefix` and a dot. The empty prefix fits nothing.
[[nodiscard]] bool starts_with_path(std::string_view path, std::string_view prefix);
// `path` is `suffix` or ends with a dot and `suffix`. The empty suffix fits nothing.
[[nodiscard]] bool ends_with_path(std::string_view path, std::string_view suffix);

// Replaces the first run of whole components that reads `from`, if there is one.
void replace_path(std::string* path, std::string_view from, std::string_view to);

// Value of a component made of digits only, or -1 (also for more than nine digits).
[[nodiscard]] int component_number(std::string_view component);

// `pattern` with its first "*" component replaced by `layer` and its second by `expert`. Numbers below zero leave the star.
[[nodiscard]] std::string expand(std::string_view pattern, int layer, int expert = -1);

// Name of the module that holds a parameter: `name` without a last component "weight"; else `name`.
[[nodiscard]] std::string_view module_of(std::string_view name);

}  // namespace jang::arch
