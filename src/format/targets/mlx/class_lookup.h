// SPDX-License-Identifier: Apache-2.0
// The questions asked of the table of mlx-lm's classes (class_table.h): which class serves a model type, and where it keeps a tensor.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/targets/mlx/class_table.h"

namespace jang::targets::mlx {

// The class that mlx-lm opens a model type with; null when it has none. Types of the families of this project are not in the table.
// A class that takes other tensors when it has no experts has a second row, "<name>:dense".
[[nodiscard]] const ModelClass* find_class(std::string_view model_type, bool has_experts);

// True when `path` (a split name) fits the pattern; `numbers`, where not null, becomes what its stars stand for.
[[nodiscard]] bool fits_pattern(std::string_view pattern, std::span<const std::string_view> path, std::vector<int>* numbers = nullptr);

// What a class does with one tensor of a source.
struct Place {
  enum class Kind : std::uint8_t { module, plain, dropped, moved, unknown } kind = Kind::unknown;
  struct Move {
    std::string out;  // full name in the bundle
    LayoutRule layout = LayoutRule::whole;
    int expert = -1;  // of stack_experts
  };
  std::vector<Move> moves;  // one, or the two halves of a fused tensor
};
[[nodiscard]] Place place_of(const ModelClass& model_class, std::string_view name);

}  // namespace jang::targets::mlx
