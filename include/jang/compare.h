// SPDX-License-Identifier: Apache-2.0
// Recipes compared on one model: bundles made where missing, all measured on the same tokens and the same questions, one page of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "jang/eval.h"
#include "jang/export.h"
#include "jang/measures.h"
#include "jang/model.h"
#include "jang/run_options.h"
#include "jang/status.h"

namespace jang {

// Mean code bits (16 where kept) of one class of tensors, layer by layer; -1 where the layer has none. One entry for classes outside
// layers.
struct ClassBits {
  std::string name;  // "attn_q"
  std::vector<double> bits;
};

struct CompareRow {
  std::string name;  // "source", or the recipe
  bool is_source = false;
  // A GGUF file: dequantized and run by this engine, never timed. Its file_bytes are those of its tensors' data.
  bool is_gguf = false;
  double code_bits = 0, stored_bits = 0;
  std::uint64_t file_bytes = 0;
  std::optional<Divergence> divergence;  // absent for the source
  std::vector<RoleGain> gains;           // none for the source
  std::optional<Perplexity> perplexity;
  std::optional<TaskSummary> task;  // MMLU
  std::optional<Comparison> against_source;
  std::optional<double> holm_p;  // of against_source, over all rows
  double decode_tokens_per_second = 0, prefill_tokens_per_second = 0;
  std::uint64_t memory_bytes = 0;
  std::optional<double> convert_seconds;
  // Of the calibration that the recipe asks for, made once for all of them; nothing where it asks for none, no seconds where statistics of
  // an earlier run were taken up.
  std::string calibration_text;  // "self"
  std::optional<double> calibration_seconds;
  std::vector<ClassBits> classes;
};

struct CompareReport {
  std::string model;               // name of the source
  std::string text;                // name of the text
  std::vector<std::string> facts;  // one line each: protocol, arithmetic, machine
  std::vector<CompareRow> rows;    // the source first
};

struct CompareOptions {
  // Recipes separated by commas: a profile or auto@BUDGET (auto@3.5bpw, auto@PROFILE), then :fit, :rtn, :awq or :self,
  // and :to-TARGET (or :vllm) for directories of another target than MLX's.
  // gguf:FILE, a file that llama.cpp made of this source, is measured beside them; gguf:TYPE and gguf:TYPE:imatrix are made here.
  std::string recipes = {};
  TextOptions text = {};
  MmluOptions mmlu = {.first_200 = true};     // no directory: none
  Arithmetic arithmetic = Arithmetic::exact;  // of quality; speed is always that of the fast kernels
  bool speed = true;                          // measures speed and memory too
  // Everything expensive is kept here under fingerprints: an interrupted comparison goes on where it was. Empty: "<name>-compare".
  std::string work = {};
  std::uint64_t open_bytes = 0;  // of weight files open side by side, about; 0: 60 % of the memory
  std::string gguf_tools = {};   // folders of llama-quantize and llama-imatrix, separated by ':'
  std::string gguf_text = {};    // text of the importance matrix, not the one that is scored
  std::string tool = {};         // version and commit of the program, told on the page; empty: version()
};

struct CompareResult {
  CompareReport report;
  std::string work, page;  // the directory, and the HTML page in it
  std::string document;    // JSON: what WORK/compare.json holds
};

// Compares bundles of the source `name` (directory or org/name). Errors: invalid_argument (recipes, protocol), those of converting and
// measuring, write errors, cancelled.
[[nodiscard]] JANG_API Result<CompareResult> compare_recipes(const std::string& name, const CompareOptions& options,
                                                             const RunOptions& run = {});

}  // namespace jang
