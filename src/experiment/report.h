// SPDX-License-Identifier: Apache-2.0
// The page of a comparison: one HTML file with inline style and inline SVG, readable without scripts, that requests nothing (its own
// content security policy forbids it). Light and dark follow the reader's setting. Every chart has its figures in a table, and the whole
// document of
// `--json` is embedded for programs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "eval/divergence.h"
#include "eval/items.h"
#include "json/json.h"

namespace jang::experiment {

// Mean code bits (16 where kept) of one class of tensors, layer by layer; -1 where the layer has none. One entry for classes outside
// layers.
struct ClassBits {
  std::string name;  // "attn_q"
  std::vector<double> bits;
};

struct CompareRow {
  std::string name;  // "source", or the recipe
  bool is_source = false;
  double code_bits = 0, stored_bits = 0;
  std::uint64_t file_bytes = 0;
  std::optional<eval::Divergence> divergence;  // absent for the source
  std::optional<eval::Perplexity> perplexity;
  std::optional<eval::TaskSummary> task;  // MMLU
  std::optional<eval::Comparison> against_source;
  std::optional<double> holm_p;  // of against_source, over all rows
  double decode_tokens_per_second = 0, prefill_tokens_per_second = 0;
  std::uint64_t memory_bytes = 0;
  std::optional<double> convert_seconds;
  std::vector<ClassBits> classes;
};

struct CompareReport {
  std::string model;               // name of the source
  std::string text;                // name of the text
  std::vector<std::string> facts;  // one line each: protocol, arithmetic, machine
  std::vector<CompareRow> rows;    // the source first
};

// Rows that no other row beats in both bytes and divergence, by ascending bytes: indices into rows. The source is not among them.
[[nodiscard]] std::vector<std::size_t> frontier(const std::vector<CompareRow>& rows);

// `model`, `text`, `facts`, `models` (one object per row: sizes, keys of divergence.h, `mmlu` with keys of items.h, speeds, `bits` by class
// and layer), `frontier` (names). The caller adds schema_version and what it knows.
[[nodiscard]] json::Value to_json(const CompareReport& report);

// The chart of sizes and qualities as an SVG file of its own, with the colours of the page.
[[nodiscard]] std::string frontier_picture(const CompareReport& report);
[[nodiscard]] std::string html_report(const CompareReport& report, const json::Value& document);

}  // namespace jang::experiment
