// SPDX-License-Identifier: Apache-2.0
// What the pages of this program have in common: one HTML file with inline style and inline SVG, readable without scripts, that requests
// nothing (its own content security policy forbids it). Light and dark follow the reader's setting.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace jang::experiment {

// The style sheet, of charts too. Classes b2 to b9 are the shades of a heat map, from warm to cool.
[[nodiscard]] std::string_view page_style();
// Everything up to and including the heading, the opened body; then the facts as a list. Both are text, not markup.
[[nodiscard]] std::string page_begin(std::string_view title, const std::vector<std::string>& facts);
[[nodiscard]] std::string page_end();

using Cells = std::vector<std::string>;
// Cells are text. `marked`: rows with a star.
[[nodiscard]] std::string table(const Cells& header, const std::vector<Cells>& rows, const std::vector<bool>& marked = {});
// Both are markup.
[[nodiscard]] std::string figure(const std::string& svg, std::string_view caption_html);

}  // namespace jang::experiment
