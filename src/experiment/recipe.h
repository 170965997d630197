// SPDX-License-Identifier: Apache-2.0
// A recipe of a comparison: how the source becomes one of the bundles compared, in a word.
//
//   recipe  = name [":" suffix]...          name   = PROFILE ["@" GROUP] | "auto@" budget
//   budget  = NUMBER "bpw" | PROFILE        suffix = "fit" | "rtn" | "awq" | "self" | "to-" TARGET | "vllm" | "vllm-symmetric" |
//   "vllm-humming" recipe  = "gguf:" FILE                  FILE: with a '/' or the ending ".gguf"; a file that llama.cpp made of this
//   source
//           | "gguf:" TYPE [":imatrix"]     TYPE: as llama-quantize names it; the file is made with llama.cpp's programs
//
// PROFILE is a name of `jang profiles`, GROUP its group size: 32, 64 or 128; auto@PROFILE spends exactly that profile's file bytes. Without
// a suffix the groups are fitted. self: self-calibrated, on text that the model samples: the fit is weighted, and auto spends by
// sensitivities. awq: channels are rescaled first, by what the same text shows; the fit is weighted then, and auto is self-calibrated.
// to-TARGET: the directory is made for another target than MLX's, so that :awq is always the method and :to-awq AutoAWQ's files; vllm is
// short for to-vllm.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jang/status.h"
#include "plan/plan.h"
#include "quantize/convert.h"

namespace jang::experiment {

struct Recipe {
  std::string name;     // canonical, unique among the recipes of a comparison
  std::string profile;  // canonical profile name
  plan::Method method = plan::Method::fit;
  bool self = false;
  bool awq = false;
  std::string target{};              // name of a target; empty: the default
  int group_size = 0;                // PROFILE@GROUP; 0: the profile's own
  std::optional<double> target_bpw;  // auto@3bpw
  std::string bytes_of;              // auto@PROFILE: canonical name of that profile
  std::string gguf_file;             // gguf:FILE: its path; nothing above but the name is used
  std::string gguf_type;             // gguf:TYPE, the same; "Q4_K_M"
  bool imatrix = false;              // gguf:TYPE:imatrix
  [[nodiscard]] bool is_gguf() const { return !gguf_file.empty() || !gguf_type.empty(); }
};

// Errors: invalid_argument with the nearest name.
[[nodiscard]] Result<Recipe> parse_recipe(std::string_view text);
// Separated by commas. Errors: those of parse_recipe; invalid_argument (none, one twice).
[[nodiscard]] Result<std::vector<Recipe>> parse_recipes(std::string_view text);

// A name for files: letters, digits, '.', '_' and '-' only.
[[nodiscard]] std::string file_name_of(const Recipe& recipe);

// Options of the plan a recipe means for this source, which was opened for its target; none for GGUF. For auto@PROFILE the profile is
// planned first, its layout counted, and its bytes are the budget. Errors: those of planning.
[[nodiscard]] Result<plan::Options> recipe_options(const quantize::Source& source, const Recipe& recipe, const quantize::RunOptions& run);

}  // namespace jang::experiment
