// SPDX-License-Identifier: Apache-2.0
// A file of JSON lines that grows while work goes on and survives being killed: what counts are whole lines, a torn last one is cut off
// when the file is opened again.
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "jang/status.h"

namespace jang::experiment {

class LineLog {
 public:
  // Opens for appending, creates when missing, cuts a torn line; `lines` gets what was there. `fresh`: starts empty.
  // Errors: invalid_argument (larger than 4 GB), io, write errors.
  [[nodiscard]] static Result<LineLog> open(const std::string& path, bool fresh, std::string* lines);
  // `line` ends in LF. On disk, as far as the system knows, when it returns.
  [[nodiscard]] Status append(std::string_view line);

 private:
  struct Close {
    void operator()(std::FILE* f) const { std::fclose(f); }
  };
  std::unique_ptr<std::FILE, Close> file_;
  std::string path_;
};

// Replaces `path` by `text` in one step.
[[nodiscard]] Status replace_text(const std::string& path, std::string_view text);
// Creates a directory and its parents. Errors: write errors.
[[nodiscard]] Status make_directories(const std::string& path);

}  // namespace jang::experiment
