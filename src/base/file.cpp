// SPDX-License-Identifier: Apache-2.0
// POSIX implementation of file.h. Reads and writes are positional (pread, pwrite) and retried after signals and short transfers.
// Renames that must not replace, and swaps, are one system call where the system has one (Linux renameat2, macOS renamex_np); elsewhere
// and on file systems that refuse its flags they are built from mkdir and rename.
#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>
#include <new>
#include <system_error>
#include <utility>

#include <fmt/format.h>

namespace jang {
namespace {

constexpr std::size_t kMaxTransfer = std::size_t{1} << 30;  // one system call moves at most 2 GiB - 4 KiB
constexpr std::uint64_t kMaxOffset = static_cast<std::uint64_t>(std::numeric_limits<off_t>::max());

std::string system_text(int error) { return std::generic_category().message(error); }

bool has_nul(const std::string& path) { return path.find('\0') != std::string::npos; }

std::string parent_of(const std::string& path) {
  const std::size_t end = path.find_last_not_of('/');
  const std::size_t slash = end == std::string::npos ? std::string::npos : path.rfind('/', end);
  if (slash == std::string::npos) return end == std::string::npos && !path.empty() ? "/" : ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::int64_t mtime_of(const struct stat& st) {
#ifdef __APPLE__
  const struct timespec& t = st.st_mtimespec;
#else
  const struct timespec& t = st.st_mtim;
#endif
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

// Closing a read-only descriptor cannot lose data, and after EINTR the descriptor is gone on Linux: no retry.
void close_quietly(int fd) {
  if (fd >= 0) ::close(fd);
}

Status open_failure(const std::string& path, int error) {
  if (error == ENOENT) {
    struct stat st {};
    if (::lstat(path.c_str(), &st) == 0 && S_ISLNK(st.st_mode))
      return {StatusCode::not_found, fmt::format("cannot open '{}': it is a symbolic link to a file that does not exist. "
                                                 "A download was interrupted or its cache was cleaned; download again",
                                                 path)};
  }
  if (error == ENOENT || error == ENOTDIR) return {StatusCode::not_found, fmt::format("cannot open '{}': no such file", path)};
  if (error == EMFILE || error == ENFILE)
    return {StatusCode::io, fmt::format("cannot open '{}': {}. Raise the limit on open files (ulimit -n)", path, system_text(error))};
  return {StatusCode::io, fmt::format("cannot open '{}': {}", path, system_text(error))};
}

const char* kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

// Bytes an unprivileged writer may still use on the file system of `fd`.
std::uint64_t free_bytes(int fd) {
  struct statvfs fs {};
  if (::fstatvfs(fd, &fs) != 0) return 0;
  return std::uint64_t{fs.f_bavail} * std::uint64_t{fs.f_frsize};
}

Status disk_full(const std::string& path, std::uint64_t needed, std::uint64_t available, int error) {
  return Status::write_error(
      fmt::format("cannot write '{}': {} bytes needed, {} bytes free on its file system ({}). "
                  "Free some space or choose another output directory",
                  path, needed, available, system_text(error)));
}

Status write_failure(const std::string& path, int fd, std::uint64_t needed, int error) {
  if (error == ENOSPC || error == EDQUOT) return disk_full(path, needed, free_bytes(fd), error);
  if (error == EFBIG)
    return Status::write_error(
        fmt::format("cannot write '{}': {} bytes are more than its file system or the file size limit (ulimit -f) "
                    "allows in one file",
                    path, needed));
  return Status::write_error(fmt::format("cannot write '{}': {}", path, system_text(error)));
}

// Blocks on disk for [0, size). 0 or an errno; EOPNOTSUPP where the file system cannot. On Linux this is fallocate(2) and not
// posix_fallocate: glibc answers a refusal by writing one byte into every block, which takes minutes for a large model.
int allocate_blocks(int fd, off_t size) {
#if defined(__linux__)
  int rc = 0;
  do rc = ::fallocate(fd, 0, 0, size);
  while (rc != 0 && errno == EINTR);
  return rc == 0 ? 0 : errno;
#elif defined(__APPLE__)
  fstore_t store{F_ALLOCATEALL, F_PEOFPOSMODE, 0, size, 0};
  if (::fcntl(fd, F_PREALLOCATE, &store) == -1) return errno;
  return EOPNOTSUPP;  // blocks are there, the length is not: the caller's ftruncate sets it
#else
  return ::posix_fallocate(fd, 0, size);
#endif
}

Status rename_failure(const char* verb, const std::string& from, const std::string& to, int error) {
  if (error == EEXIST || error == ENOTEMPTY)
    return Status::write_error(
        fmt::format("cannot {} '{}' to '{}': the target already exists. Choose another output name", verb, from, to));
  return Status::write_error(fmt::format("cannot {} '{}' to '{}': {}", verb, from, to, system_text(error)));
}

enum class RenameFlag { no_replace, exchange };

// 0, or an errno; ENOTSUP where the system or the file system has no such call.
int rename_with_flag(const std::string& from, const std::string& to, RenameFlag flag) {
#if defined(__linux__) && defined(RENAME_NOREPLACE)
  const unsigned flags = flag == RenameFlag::no_replace ? RENAME_NOREPLACE : RENAME_EXCHANGE;
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags) == 0) return 0;
  // EINVAL also means "into its own subdirectory"; plain rename reports that again.
  return errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP ? ENOTSUP : errno;
#elif defined(__APPLE__)
  const unsigned flags = flag == RenameFlag::no_replace ? RENAME_EXCL : RENAME_SWAP;
  if (::renamex_np(from.c_str(), to.c_str(), flags) == 0) return 0;
  return errno == EINVAL ? ENOTSUP : errno;
#else
  (void)from, (void)to, (void)flag;
  return ENOTSUP;
#endif
}

}  // namespace

Result<InputFile> InputFile::open(const std::string& path) {
  if (path.empty() || has_nul(path))
    return Status(StatusCode::invalid_argument, "cannot open a file: its name is empty or holds a NUL byte");
  // O_NONBLOCK: opening a pipe without a writer would wait for one; it has no effect on regular files.
  int fd = -1;
  do fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  while (fd < 0 && errno == EINTR);
  if (fd < 0) return open_failure(path, errno);
  InputFile file;
  file.fd_ = fd;
  file.path_ = path;
  struct stat st {};
  if (::fstat(fd, &st) != 0) return Status(StatusCode::io, fmt::format("cannot read the size of '{}': {}", path, system_text(errno)));
  if (!S_ISREG(st.st_mode))
    return Status(StatusCode::invalid_argument, fmt::format("cannot read '{}': it is {}, not a regular file", path, kind_of(st.st_mode)));
  file.size_ = static_cast<std::uint64_t>(st.st_size);
  file.mtime_ns_ = mtime_of(st);
  return file;
}

InputFile::InputFile(InputFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), size_(other.size_), mtime_ns_(other.mtime_ns_), path_(std::move(other.path_)) {}

InputFile& InputFile::operator=(InputFile&& other) noexcept {
  if (this == &other) return *this;
  close_quietly(fd_);
  fd_ = std::exchange(other.fd_, -1);
  size_ = other.size_;
  mtime_ns_ = other.mtime_ns_;
  path_ = std::move(other.path_);
  return *this;
}

InputFile::~InputFile() { close_quietly(fd_); }

Status InputFile::read_at(std::uint64_t offset, std::span<std::byte> out) const {
  if (offset > size_ || out.size() > size_ - offset)
    return {StatusCode::corrupt, fmt::format("cannot read {} bytes at offset {} of '{}': the file has {} bytes. It is truncated or "
                                             "its header is wrong; download it again",
                                             out.size(), offset, path_, size_)};
  std::size_t done = 0;
  while (done < out.size()) {
    const std::size_t want = std::min(out.size() - done, kMaxTransfer);
    const ssize_t got = ::pread(fd_, out.data() + done, want, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return {StatusCode::io, fmt::format("cannot read '{}' at offset {}: {}", path_, offset + done, system_text(errno))};
    if (got == 0)
      return {StatusCode::corrupt, fmt::format("'{}' ended at byte {} while it was read; it had {} bytes when opened. "
                                               "Another program changed it; try again when that is done",
                                               path_, offset + done, size_)};
    done += static_cast<std::size_t>(got);
  }
  return {};
}

Status InputFile::check_unchanged() const {
  struct stat st {};
  if (::fstat(fd_, &st) != 0) return {StatusCode::io, fmt::format("cannot read the size of '{}': {}", path_, system_text(errno))};
  const std::uint64_t size = static_cast<std::uint64_t>(st.st_size);
  if (size != size_)
    return {StatusCode::corrupt, fmt::format("'{}' changed while it was read: {} bytes when opened, {} now. Try again when no other "
                                             "program writes to it",
                                             path_, size_, size)};
  if (mtime_of(st) != mtime_ns_)
    return {StatusCode::corrupt, fmt::format("'{}' changed while it was read: its modification time moved. Try again when no other "
                                             "program writes to it",
                                             path_)};
  return {};
}

Result<OutputFile> OutputFile::create(const std::string& path) {
  if (path.empty() || has_nul(path)) return Status::write_error("cannot create a file: its name is empty or holds a NUL byte");
  int fd = -1;
  do fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0666);
  while (fd < 0 && errno == EINTR);
  if (fd < 0) return Status::write_error(fmt::format("cannot create '{}': {}", path, system_text(errno)));
  OutputFile file;
  file.fd_ = fd;
  file.path_ = path;
  return file;
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), sync_failed_(other.sync_failed_), path_(std::move(other.path_)) {}

OutputFile& OutputFile::operator=(OutputFile&& other) noexcept {
  if (this == &other) return *this;
  close_quietly(fd_);
  fd_ = std::exchange(other.fd_, -1);
  sync_failed_ = other.sync_failed_;
  path_ = std::move(other.path_);
  return *this;
}

OutputFile::~OutputFile() { close_quietly(fd_); }

Status OutputFile::reserve(std::uint64_t size) {
  if (size == 0) return {};
  if (size > kMaxOffset) return write_failure(path_, fd_, size, EFBIG);
  // Asked first: a failing fallocate takes every free block of the disk away from other programs before it gives up.
  struct stat st {};
  const std::uint64_t present = ::fstat(fd_, &st) == 0 ? static_cast<std::uint64_t>(st.st_blocks) * 512 : 0;
  const std::uint64_t available = free_bytes(fd_);
  if (size > present && size - present > available) return disk_full(path_, size, available, ENOSPC);
  const int error = allocate_blocks(fd_, static_cast<off_t>(size));
  if (error == 0) return {};
  if (error != EOPNOTSUPP && error != EINVAL && error != ENOSYS) return write_failure(path_, fd_, size, error);
  if (static_cast<std::uint64_t>(st.st_size) < size && ::ftruncate(fd_, static_cast<off_t>(size)) != 0)
    return write_failure(path_, fd_, size, errno);
  return {};
}

Status OutputFile::write_at(std::uint64_t offset, std::span<const std::byte> data) {
  if (offset > kMaxOffset || data.size() > kMaxOffset - offset) return write_failure(path_, fd_, data.size(), EFBIG);
  std::size_t done = 0;
  while (done < data.size()) {
    const std::size_t want = std::min(data.size() - done, kMaxTransfer);
    const ssize_t put = ::pwrite(fd_, data.data() + done, want, static_cast<off_t>(offset + done));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return write_failure(path_, fd_, data.size() - done, put < 0 ? errno : ENOSPC);
    done += static_cast<std::size_t>(put);
  }
  return {};
}

Status OutputFile::sync() {
  if (sync_failed_) return Status::write_error(fmt::format("cannot sync '{}': an earlier sync failed and its data may be lost", path_));
#ifdef __APPLE__
  int rc = ::fcntl(fd_, F_FULLFSYNC);  // fsync leaves data in the drive's cache there
  if (rc != 0) rc = ::fsync(fd_);
#else
  const int rc = ::fsync(fd_);
#endif
  if (rc == 0) return {};
  sync_failed_ = true;
  return Status::write_error(
      fmt::format("cannot sync '{}': {}. The device lost data; nothing written to this file can be trusted", path_, system_text(errno)));
}

Result<std::string> read_text(const std::string& path, std::size_t max_bytes) {
  JANG_ASSIGN(const InputFile file, InputFile::open(path));
  if (file.size() > max_bytes)
    return Status(StatusCode::invalid_argument, fmt::format("'{}' has {} bytes; at most {} are accepted", path, file.size(), max_bytes));
  try {
    std::string text(static_cast<std::size_t>(file.size()), '\0');
    JANG_TRY(file.read_at(0, std::as_writable_bytes(std::span(text))));
    return text;
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::out_of_memory, fmt::format("cannot read '{}': no memory for its {} bytes", path, file.size()));
  }
}

Status write_text(const std::string& path, std::string_view text) {
  JANG_ASSIGN(OutputFile file, OutputFile::create(path));
  Status status = file.write_at(0, std::as_bytes(std::span(text)));
  if (status.ok()) status = file.sync();
  if (!status.ok()) ::unlink(path.c_str());  // ours: O_EXCL made it
  return status;
}

Status sync_directory(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Status::write_error(fmt::format("cannot open directory '{}' to sync it: {}", path, system_text(errno)));
  const int error = ::fsync(fd) == 0 ? 0 : errno;
  close_quietly(fd);
  // Some network file systems refuse to sync a directory because they write it through; there is nothing else to do there.
  if (error == 0 || error == EINVAL || error == EOPNOTSUPP) return {};
  return Status::write_error(fmt::format("cannot sync directory '{}': {}", path, system_text(error)));
}

Status rename_no_replace(const std::string& from, const std::string& to) {
  const int error = rename_with_flag(from, to, RenameFlag::no_replace);
  if (error == 0) return {};
  if (error == ENOTSUP) return rename_by_claim(from, to);
  return rename_failure("rename", from, to, error);
}

Status rename_by_claim(const std::string& from, const std::string& to) {
  if (::mkdir(to.c_str(), 0777) != 0) return rename_failure("rename", from, to, errno);
  if (::rename(from.c_str(), to.c_str()) == 0) return {};
  const int error = errno;
  ::rmdir(to.c_str());  // fails, as it should, when someone has put a file into it meanwhile
  return rename_failure("rename", from, to, error);
}

Status rename_exchange(const std::string& a, const std::string& b) {
  const int error = rename_with_flag(a, b, RenameFlag::exchange);
  if (error == 0) return {};
  if (error == ENOTSUP) return exchange_by_steps(a, b);
  return rename_failure("swap", a, b, error);
}

Status exchange_by_steps(const std::string& a, const std::string& b) {
  struct stat st {};
  if (::stat(a.c_str(), &st) != 0 || ::stat(b.c_str(), &st) != 0) return rename_failure("swap", a, b, errno);
  std::string aside = parent_of(b);
  aside += fmt::format("/.jang-swap-{}", ::getpid());
  JANG_TRY(rename_by_claim(b, aside));
  if (::rename(a.c_str(), b.c_str()) != 0) {
    const int error = errno;
    if (::rename(aside.c_str(), b.c_str()) != 0)
      return Status::write_error(fmt::format("cannot swap '{}' and '{}': {}; '{}' is now at '{}'", a, b, system_text(error), b, aside));
    return rename_failure("swap", a, b, error);
  }
  if (::rename(aside.c_str(), a.c_str()) != 0)
    return Status::write_error(
        fmt::format("'{}' is in place, but the directory it replaced stays at '{}': {}", b, aside, system_text(errno)));
  return {};
}

}  // namespace jang
