// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "format/targets/dynamic_rules.h"

#include <algorithm>

#include "format/targets/hugging_face.h"

namespace jang::targets {

void add_rule_names(const arch::OutTensor& t, std::vector<std::string>* names) {
  names->push_back(linear_module(t));
  const std::size_t experts = t.module.find(".experts.");
  if (experts != std::string::npos)
    names->push_back(t.module.substr(0, experts) + ".experts");
  else if (t.unit != t.canonical)
    names->push_back(t.unit);
}

void add_rules(const std::string& sign, const std::vector<std::string>& names, const json::Value& rule, json::Value* dynamic) {
  std::vector<std::string> once;
  for (const std::string& name : names)
    if (std::ranges::find(once, name) == once.end()) once.push_back(name);
  for (const ModulePattern& p : module_patterns(once)) (*dynamic)[sign + p.text] = rule;
}

}  // namespace jang::targets
