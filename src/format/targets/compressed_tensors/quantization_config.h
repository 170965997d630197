// SPDX-License-Identifier: Apache-2.0
// config.json's quantization_config: one group for every scheme (bits, group size, symmetric) with the modules it is for, as regular
// expressions over module names with the layers listed, and the linear modules that are not packed. Fields of compressed-tensors 0.17.
#pragma once

#include <compare>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "arch/arch.h"
#include "format/targets/name_patterns.h"
#include "format/targets/target.h"
#include "jang/status.h"
#include "json/json.h"

namespace jang::targets::compressed_tensors {

struct Scheme {
  int bits = 0, group_size = 0;
  bool symmetric = false;
  friend auto operator<=>(const Scheme&, const Scheme&) = default;
};

struct SchemeGroup {
  Scheme scheme;
  std::vector<std::string> targets;
};

// Weight-only integers by groups along the row. Errors: corrupt (not of that form), unsupported (activations, floats, other strategies,
// order by activations, sparsity, transforms).
[[nodiscard]] Result<std::vector<SchemeGroup>> read_groups(const json::Value& config);

// Which group a module belongs to, as compressed-tensors decides: that which has its whole name among its targets, else one with an
// expression for it ("re:.."), else one for a class of modules ("Linear"), which is any word without a dot that is no module's name.
class ModuleSchemes {
 public:
  // Errors: those of read_groups; corrupt (`ignore` is no list of names), unsupported (expressions that are not read).
  [[nodiscard]] static Result<ModuleSchemes> create(const json::Value& config);
  [[nodiscard]] const std::vector<SchemeGroup>& groups() const { return groups_; }

  enum class By : std::uint8_t { none, name, expression, class_of_modules };
  struct Named {
    By by = By::none;
    std::vector<int> groups;  // all that are equally near
  };
  // Not thread safe. Errors: those of NamePatterns.
  [[nodiscard]] Result<Named> groups_of(const std::string& module);
  // The entry of `ignore` that has it; null: none.
  [[nodiscard]] Result<const std::string*> ignored(const std::string& module);

  // What an entry is found by; where an expression is not read, every module is.
  struct Entry {
    std::string text;
    int group = -1;       // -1: of `ignore`
    int expression = -1;  // index into the patterns; -1: a name or a class
  };
  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
  [[nodiscard]] bool names(const Entry& entry, const std::string& module);

 private:
  Status add(const std::string& text, int group);

  std::vector<SchemeGroup> groups_;
  std::vector<Entry> entries_;
  std::multimap<std::string, int, std::less<>> by_name_;  // index into entries_
  NamePatterns patterns_;
};

// "4 bits, group 128, symmetric".
[[nodiscard]] std::string describe(const Scheme& scheme);

// Module names with their layer and expert numbers as few regular expressions ("re:..."), or the name itself where it has no number.
[[nodiscard]] std::vector<std::string> patterns(const std::vector<std::string>& modules);
[[nodiscard]] json::Value quantization_config(const arch::Model& model, std::span<const TensorRecord> tensors);

}  // namespace jang::targets::compressed_tensors
