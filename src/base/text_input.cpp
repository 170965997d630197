// SPDX-License-Identifier: Apache-2.0
// Read to the end in pieces: a pipe has no size to ask for, and neither have the files of /proc.
#include "jang/text_input.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <system_error>

#include <fmt/format.h>

namespace jang {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;

class Descriptor {
 public:
  explicit Descriptor(int fd, bool owned) : fd_(fd), owned_(owned) {}
  ~Descriptor() {
    if (owned_) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
  bool owned_;
};

Status unreadable(const std::string& name, int error) {
  return {error == ENOENT || error == ENOTDIR ? StatusCode::not_found : StatusCode::io,
          fmt::format("cannot read '{}': {}", name, std::generic_category().message(error))};
}

Result<std::string> read_all(int fd, const std::string& name, std::size_t max_bytes) {
  std::string text;
  for (;;) {
    const std::size_t done = text.size();
    // One byte more than is accepted tells a text that is just small enough from one that goes on.
    text.resize(done + std::min(kPiece, max_bytes - done + 1));
    ssize_t got = 0;
    do got = ::read(fd, text.data() + done, text.size() - done);
    while (got < 0 && errno == EINTR);
    if (got < 0) return unreadable(name, errno);
    text.resize(done + static_cast<std::size_t>(got));
    if (text.size() > max_bytes)
      return Status(StatusCode::invalid_argument, fmt::format("'{}' has more than the {} bytes that are accepted", name, max_bytes));
    if (got == 0) return text;
  }
}

}  // namespace

Result<std::string> read_text_input(const std::string& path, std::size_t max_bytes) {
  if (path.empty() || path.find('\0') != std::string::npos)
    return Status(StatusCode::invalid_argument, "cannot read a file: its name is empty or holds a NUL byte");
  const bool is_stdin = path == "-";
  const std::string name = is_stdin ? "standard input" : path;
  int fd = STDIN_FILENO;
  if (!is_stdin) {
    do fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
    while (fd < 0 && errno == EINTR);
  }
  if (fd < 0) return unreadable(name, errno);
  const Descriptor file(fd, !is_stdin);
  struct stat st {};
  if (::fstat(file.get(), &st) != 0) return unreadable(name, errno);
  if (S_ISDIR(st.st_mode)) return Status(StatusCode::invalid_argument, fmt::format("cannot read '{}': it is a directory", name));
  try {
    return read_all(file.get(), name, max_bytes);
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::out_of_memory, fmt::format("no memory for the text of '{}'", name));
  }
}

}  // namespace jang
