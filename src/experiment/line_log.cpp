// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "experiment/line_log.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

#include "base/file.h"

namespace jang::experiment {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxLogBytes = std::size_t{4} << 30;

Status failed(std::string_view what, const std::string& path, const std::string& why) {
  return Status::write_error(fmt::format("{} {}: {}", what, path, why));
}

}  // namespace

Result<LineLog> LineLog::open(const std::string& path, bool fresh, std::string* lines) {
  lines->clear();
  std::error_code error;
  if (!fresh && fs::exists(path, error)) {
    JANG_ASSIGN(*lines, read_text(path, kMaxLogBytes));
    const std::size_t whole = lines->rfind('\n') + 1;  // npos + 1 is 0
    if (whole != lines->size()) {
      lines->resize(whole);
      fs::resize_file(path, whole, error);
      if (error) return failed("cannot shorten", path, error.message());
    }
  }
  LineLog log;
  log.path_ = path;
  log.file_.reset(std::fopen(path.c_str(), fresh ? "wb" : "ab"));
  if (!log.file_) return failed("cannot open", path, std::strerror(errno));
  return log;
}

Status LineLog::append(std::string_view line) {
  const bool written = std::fwrite(line.data(), 1, line.size(), file_.get()) == line.size() && std::fflush(file_.get()) == 0;
  return written ? Status() : failed("cannot write", path_, std::strerror(errno));
}

Status replace_text(const std::string& path, std::string_view text) {
  const std::string fresh = path + ".new";
  std::error_code error;
  fs::remove(fresh, error);
  JANG_TRY(write_text(fresh, text));
  fs::rename(fresh, path, error);
  return error ? failed("cannot replace", path, error.message()) : Status();
}

Status make_directories(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  return error ? failed("cannot create", path, error.message()) : Status();
}

}  // namespace jang::experiment
