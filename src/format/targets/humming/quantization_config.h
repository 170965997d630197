// SPDX-License-Identifier: Apache-2.0
// config.json's quantization_config of the method "humming": a scheme for the whole, `dynamic` rules for modules that are packed otherwise
// or not at all, and names that are left out (`ignore`). Written are the names of fields that mean weights alone: the short ones that
// readers know too (dtype, group_size) also say how activations are rounded.
//
//   b_dtype                  "uint4"; codes are unsigned whatever it says ("int4")
//   weight_scale_group_size  inputs that share a scale
//   has_zero_point           false: zero = 2^(b-1)
//   is_fp_zero_point         zero points are floats, one for every scale; false: whole numbers in words down the rows
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "format/targets/name_patterns.h"
#include "format/targets/target.h"
#include "jang/status.h"
#include "json/json.h"

namespace jang::targets::humming {

struct Scheme {
  std::int64_t bits = 0, group_size = 0;
  codec::Kind kind = codec::Kind::symmetric;
  friend auto operator<=>(const Scheme&, const Scheme&) = default;
};

class ModuleSchemes {
 public:
  // Errors: corrupt (not of that form), unsupported (floats, other scales than one for every group, rotations, rounded activations;
  // expressions that are not read).
  [[nodiscard]] static Result<ModuleSchemes> create(const json::Value& config);
  // The scheme of a module, as vLLM finds it by the name of the map that it fuses the module into, else by its own: the first rule "+:"
  // that matches, else the whole's. Not thread safe. Errors: those of NamePatterns.
  [[nodiscard]] Result<Scheme> scheme_of(const std::string& module);
  // What leaves the module out, an entry of `ignore` that is part of its name or a rule "-:"; null: nothing.
  [[nodiscard]] Result<const std::string*> left_out(const std::string& module);

  // What a module is found by.
  struct Entry {
    std::string text;                // as it stands there
    std::optional<Scheme> scheme{};  // none: what matches is left out
    int expression = -1;             // index into the patterns; -1: part of a name
  };
  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
  [[nodiscard]] Result<bool> names(const Entry& entry, const std::string& name);

 private:
  [[nodiscard]] Status add_rules(const json::Value& dynamic, const json::Value& whole);
  [[nodiscard]] Status add_ignored(const json::Value& config);
  [[nodiscard]] Result<const Entry*> find(const std::string& module, bool packed);

  Scheme whole_;
  std::vector<Entry> entries_;
  NamePatterns patterns_;
  std::int64_t compared_ = 0;  // parts of names with names
};

// "4 bits, group 128, float zero points".
[[nodiscard]] std::string describe(const Scheme& scheme);
// Null when nothing is packed.
[[nodiscard]] json::Value quantization_config(const arch::Model& model, std::span<const TensorRecord> tensors);

}  // namespace jang::targets::humming
