// SPDX-License-Identifier: Apache-2.0
// The known name closest to a mistyped one, for messages of this folder.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace jang::plan {

// Insertions, deletions, replacements and swaps of neighbours between two names, letter case ignored; names are cut at 96 characters.
[[nodiscard]] int edit_distance(std::string_view a, std::string_view b);

// "; did you mean 'name'?" for the closest candidate within a third of the typed length (at least 2 edits), "" when nothing is that close.
// Dotted candidates are also compared by their last components, so that "v_porj" finds "model.layers.0.self_attn.v_proj". First wins a tie.
[[nodiscard]] std::string nearest_hint(std::string_view typed, std::span<const std::string_view> candidates);

}  // namespace jang::plan
