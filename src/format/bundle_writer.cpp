// SPDX-License-Identifier: Apache-2.0
// Partial directory, reservation, lock, publication by rename.
#include "format/bundle_writer.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

namespace jang::format {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLockName = ".lock";
constexpr std::size_t kCopyBytes = 4u << 20;

Status system_error(const std::string& what, const std::string& path) {
  return Status::write_error("cannot " + what + " " + path + ": " + std::strerror(errno));
}

bool is_directory_with_config(const std::string& path) {
  std::error_code ec;
  return fs::is_regular_file(fs::path(path) / "config.json", ec);
}

// Opens and locks "<directory>/.lock"; -1 in *fd when another process holds it.
Status lock_directory(const std::string& directory, int* fd) {
  const std::string path = directory + "/" + kLockName;
  *fd = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (*fd < 0) return system_error("create", path);
  if (::flock(*fd, LOCK_EX | LOCK_NB) == 0) return {};
  ::close(*fd);
  *fd = -1;
  return Status(StatusCode::invalid_argument, "another conversion is writing " + directory + "; wait for it or choose another output");
}

std::string partial_of(std::string output) {
  while (output.size() > 1 && output.back() == '/') output.pop_back();
  return output + ".partial";
}

// Takes over or removes what an interrupted conversion left.
Status clear_stale(const std::string& output) {
  const std::string partial = partial_of(output);
  std::error_code ec;
  JANG_TRY(check_not_in_the_way(output));
  if (!fs::exists(fs::symlink_status(partial, ec))) return {};
  int fd = -1;
  JANG_TRY(lock_directory(partial, &fd));
  fs::remove_all(partial, ec);
  ::close(fd);
  if (ec) return Status::write_error("cannot remove the unfinished " + partial + ": " + ec.message());
  return {};
}

}  // namespace

Status check_not_in_the_way(const std::string& output) {
  const std::string partial = partial_of(output);
  std::error_code ec;
  if (!fs::exists(fs::symlink_status(partial, ec))) return {};
  if (!fs::is_directory(fs::symlink_status(partial, ec)))
    return Status(StatusCode::invalid_argument, partial + " exists and is not a directory; remove it");
  // Writers lock their directory before anything else is in it, so one with files and no lock is somebody's own.
  if (!fs::exists(fs::symlink_status(partial + "/" + kLockName, ec)) && !fs::is_empty(partial, ec))
    return Status(StatusCode::invalid_argument,
                  partial + " is in the way, and no interrupted conversion left it; remove it, or choose another -o");
  return {};
}

Status check_apart(const std::string& output, std::span<const std::string> inputs) {
  std::error_code ec;
  if (!fs::exists(output, ec)) return {};
  for (const std::string& input : inputs)
    if (fs::equivalent(output, input, ec))
      return {StatusCode::invalid_argument, "output " + output + " is " + input + " itself; choose another -o"};
  for (const std::string& input : inputs) {
    const fs::path inside = fs::canonical(input, ec).lexically_relative(fs::canonical(output, ec));
    if (!inside.empty() && *inside.begin() != "..")
      return {StatusCode::invalid_argument, input + " lies in the output " + output + ", which would be replaced; choose another -o"};
  }
  return {};
}

Result<BundleWriter> BundleWriter::create(const std::string& output, bool force, const std::vector<PlannedFile>& files) {
  std::error_code ec;
  BundleWriter w;
  w.output_ = output;
  while (w.output_.size() > 1 && w.output_.back() == '/') w.output_.pop_back();
  w.partial_ = partial_of(w.output_);
  if (fs::exists(fs::symlink_status(w.output_, ec))) {
    if (!force)
      return Status(StatusCode::invalid_argument,
                    "output " + w.output_ + " exists; choose another -o, or --force to replace it after success");
    if (!is_directory_with_config(w.output_))
      return Status(StatusCode::invalid_argument,
                    "output " + w.output_ + " is not a model directory (no config.json): --force will not replace it");
    w.replace_ = true;
  }
  JANG_TRY(clear_stale(w.output_));
  if (!fs::create_directory(w.partial_, ec)) {
    return Status::write_error("cannot create " + w.partial_ + ": " + (ec ? ec.message() : "it exists"));
  }
  w.active_ = true;
  JANG_TRY(lock_directory(w.partial_, &w.lock_fd_));
  for (const PlannedFile& f : files) {
    JANG_ASSIGN(OutputFile file, OutputFile::create(w.partial_ + "/" + f.name));
    JANG_TRY(file.reserve(f.bytes));
    w.files_.push_back(std::move(file));
  }
  for (std::size_t i = 0; i < files.size(); ++i) JANG_TRY(w.files_[i].write_at(0, std::as_bytes(std::span(files[i].header))));
  return w;
}

BundleWriter::BundleWriter(BundleWriter&& other) noexcept
    : output_(std::move(other.output_)),
      partial_(std::move(other.partial_)),
      replace_(other.replace_),
      active_(std::exchange(other.active_, false)),
      lock_fd_(std::exchange(other.lock_fd_, -1)),
      files_(std::move(other.files_)) {}

BundleWriter::~BundleWriter() {
  files_.clear();
  if (active_) {
    std::error_code ec;
    fs::remove_all(partial_, ec);
  }
  if (lock_fd_ >= 0) ::close(lock_fd_);
}

Status BundleWriter::write_at(int file, std::uint64_t offset, std::span<const std::byte> data) {
  return files_[static_cast<std::size_t>(file)].write_at(offset, data);
}

Status BundleWriter::add_text(const std::string& name, std::string_view text) { return write_text(partial_ + "/" + name, text); }

Status BundleWriter::add_copy(const std::string& from, const std::string& name) {
  JANG_ASSIGN(const InputFile in, InputFile::open(from));
  const std::string folder = partial_ + "/" + fs::path(name).parent_path().string();
  std::error_code ec;
  fs::create_directory(folder, ec);
  if (ec) return Status::write_error("cannot create " + folder + ": " + ec.message());
  JANG_ASSIGN(OutputFile out, OutputFile::create(partial_ + "/" + name));
  std::vector<std::byte> buffer(std::min<std::uint64_t>(kCopyBytes, in.size()));
  for (std::uint64_t at = 0; at < in.size(); at += buffer.size()) {
    const auto part = std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), in.size() - at));
    JANG_TRY(in.read_at(at, part));
    JANG_TRY(out.write_at(at, part));
  }
  JANG_TRY(out.sync());
  return sync_directory(folder);
}

Status BundleWriter::sync() {
  for (OutputFile& f : files_) JANG_TRY(f.sync());
  return sync_directory(partial_);
}

Status BundleWriter::publish() {
  const std::string lock = partial_ + "/" + kLockName;
  if (::unlink(lock.c_str()) != 0) return system_error("remove", lock);
  JANG_TRY(sync_directory(partial_));
  std::error_code ec;
  if (replace_) {
    JANG_TRY(rename_exchange(partial_, output_));
    active_ = false;
    fs::remove_all(partial_, ec);  // now the old bundle
    if (ec)
      return Status::write_error("the new bundle is at " + output_ + ", but the old one, now " + partial_ +
                                 ", could not be removed: " + ec.message());
  } else {
    JANG_TRY(rename_no_replace(partial_, output_));
    active_ = false;
  }
  const fs::path parent = fs::absolute(output_, ec).parent_path();
  return sync_directory(parent.string());
}

}  // namespace jang::format
