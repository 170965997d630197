// SPDX-License-Identifier: Apache-2.0
// The page of one model, planned or made: bits by layer and class, where the bytes go, error and sensitivity where they are known.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "jang/report.h"

namespace jang::experiment {

struct ModelFacts {
  std::string title;
  std::vector<std::string> facts;               // one line each
  std::map<std::string, double> sensitivities;  // by name of the tensor; may be empty
  std::string sensitivity_meaning;              // what such a number is, with its unit
};

// A class is a role, or the last part of a module's name where no role is known.
[[nodiscard]] std::string model_page(const ModelReport& report, const ModelFacts& facts);

}  // namespace jang::experiment
