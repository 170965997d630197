// SPDX-License-Identifier: Apache-2.0
// The page of a comparison: one HTML file with inline style and inline SVG, readable without scripts, that requests nothing (its own
// content security policy forbids it). Light and dark follow the reader's setting. Every chart has its figures in a table, and the whole
// document of `--json` is embedded for programs.
#pragma once

#include <string>
#include <vector>

#include "jang/compare.h"
#include "json/json.h"

namespace jang::experiment {

using jang::ClassBits;
using jang::CompareReport;
using jang::CompareRow;

// Rows that no other row beats in both bytes and divergence, by ascending bytes: indices into rows. The source is not among them.
[[nodiscard]] std::vector<std::size_t> frontier(const std::vector<CompareRow>& rows);

// The chart of sizes and qualities as an SVG file of its own, with the colours of the page.
[[nodiscard]] std::string frontier_picture(const CompareReport& report);
[[nodiscard]] std::string html_report(const CompareReport& report, const json::Value& document);

}  // namespace jang::experiment
