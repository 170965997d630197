// SPDX-License-Identifier: Apache-2.0
// A report as a page to look at: one HTML file with inline pictures that requests nothing. Bits by layer and kind of matrix, where the
// bytes go, and error and sensitivity of every tensor where they are known. Names from files are escaped.
#pragma once

#include <string>
#include <vector>

#include "jang/export.h"
#include "jang/report.h"
#include "jang/status.h"

namespace jang {

struct ModelPage {
  std::string title;
  std::vector<std::string> facts = {};  // one line each, under the title
  std::string statistics_file = {};     // of calibrate_model, for the sensitivities; empty: none are shown
  std::string model_type = {};          // or the family: says how names of tensors are to be read beside those of the statistics
};

// Equal reports give equal bytes. Errors: those of reading the statistics.
[[nodiscard]] JANG_API Result<std::string> model_page(const ModelReport& report, const ModelPage& page);
// Writes it beside and renames, in place of a file of that name. Errors: those of model_page, write errors.
[[nodiscard]] JANG_API Status write_model_page(const ModelReport& report, const ModelPage& page, const std::string& path);

}  // namespace jang
