// SPDX-License-Identifier: Apache-2.0
// mmap of a whole file. See mapped_file.h.
#include "base/mapped_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace jang {
namespace {

Status failed(const std::string& path, const char* what, int error) {
  const StatusCode code = error == ENOENT ? StatusCode::not_found : error == ENOMEM ? StatusCode::out_of_memory : StatusCode::io;
  return {code, fmt::format("{}: cannot {}: {}", path, what, std::strerror(error))};
}

Status check(int fd, const std::string& path, std::uint64_t expected_bytes) {
  struct stat st {};
  if (::fstat(fd, &st) != 0) return failed(path, "stat", errno);
  if (!S_ISREG(st.st_mode)) return {StatusCode::invalid_argument, path + ": not a regular file"};
  if (static_cast<std::uint64_t>(st.st_size) != expected_bytes)
    return {StatusCode::corrupt,
            fmt::format("{}: {} bytes, expected {}: the file changed since it was opened", path, st.st_size, expected_bytes)};
  return {};
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::string& path, std::uint64_t expected_bytes) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return failed(path, "open", errno);
  if (Status s = check(fd, path, expected_bytes); !s.ok()) {
    ::close(fd);
    return s;
  }
  MappedFile file;
  file.size_ = expected_bytes;
  if (expected_bytes > 0) {
    void* p = ::mmap(nullptr, expected_bytes, PROT_READ, MAP_SHARED, fd, 0);
    const int error = errno;
    ::close(fd);
    if (p == MAP_FAILED) return failed(path, "map", error);
    file.data_ = static_cast<const std::byte*>(p);
  } else {
    ::close(fd);
  }
  return file;
}

MappedFile::MappedFile(MappedFile&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::will_need() const {
  if (data_ != nullptr) (void)::madvise(const_cast<std::byte*>(data_), size_, MADV_WILLNEED);
}

}  // namespace jang
