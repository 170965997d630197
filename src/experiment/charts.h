// SPDX-License-Identifier: Apache-2.0
// The pictures of a comparison, as inline SVG. Colours and fonts come from the style sheet of the page.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "experiment/report.h"

namespace jang::experiment {

// Divergence (logarithmic) over bytes: a point per recipe with its 95 % interval, its name, and the line of those nothing else beats.
[[nodiscard]] std::string frontier_chart(const CompareReport& report);
// Where the divergence of single tokens lies: median to maximum, a row per recipe.
[[nodiscard]] std::string percentile_chart(const CompareReport& report);
// Accuracy with its 95 % interval, a row per model; chance is marked.
[[nodiscard]] std::string accuracy_chart(const CompareReport& report);
// Bits per class of tensors (rows) and layer (columns) of one recipe or model.
[[nodiscard]] std::string bits_chart(std::string_view name, const std::vector<ClassBits>& classes);

// CSS class that colours a recipe by its kind: "auto", "jang", "base", "source".
[[nodiscard]] std::string_view kind_of(const CompareRow& row);

}  // namespace jang::experiment
