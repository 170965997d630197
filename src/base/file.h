// SPDX-License-Identifier: Apache-2.0
// Files as the project uses them: read at an offset (never mmap while converting: a file that shrinks would kill us), write at an offset,
// reserve, sync. Every failure names the file and what the system said. Move-only; not thread safe except where said.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "jang/status.h"

namespace jang {

class InputFile {
 public:
  // Opens a regular file for reading (symbolic links are followed: Hub caches are made of them). Errors: not_found, invalid_argument
  // (not a regular file; devices and pipes never block us), io.
  [[nodiscard]] static Result<InputFile> open(const std::string& path);
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&& other) noexcept;
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  ~InputFile();

  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] std::int64_t mtime_ns() const { return mtime_ns_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  // Fills `out` from `offset`. Thread safe. Errors: corrupt when the file ends early (it was truncated), io.
  [[nodiscard]] Status read_at(std::uint64_t offset, std::span<std::byte> out) const;
  // Corrupt when size or modification time differ from when it was opened.
  [[nodiscard]] Status check_unchanged() const;

 private:
  InputFile() = default;
  int fd_ = -1;
  std::uint64_t size_ = 0;
  std::int64_t mtime_ns_ = 0;
  std::string path_;
};

class OutputFile {
 public:
  // Creates a new file (it must not exist). Errors: write errors.
  [[nodiscard]] static Result<OutputFile> create(const std::string& path);
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&& other) noexcept;
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();  // closes without syncing

  // Reserves `size` bytes on disk now, so that a full disk fails before the work. The write error names bytes needed and bytes free.
  [[nodiscard]] Status reserve(std::uint64_t size);
  // Writes all of `data` at `offset`. Thread safe for disjoint ranges.
  [[nodiscard]] Status write_at(std::uint64_t offset, std::span<const std::byte> data);
  // Flushes data and metadata to the device. A failed sync is final: its pages may be gone.
  [[nodiscard]] Status sync();
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  OutputFile() = default;
  int fd_ = -1;
  bool sync_failed_ = false;
  std::string path_;
};

// Whole file as a string; invalid_argument when larger than max_bytes.
[[nodiscard]] Result<std::string> read_text(const std::string& path, std::size_t max_bytes);
// Creates `path` with `text` and syncs it. It must not exist.
[[nodiscard]] Status write_text(const std::string& path, std::string_view text);
[[nodiscard]] Status sync_directory(const std::string& path);
// Renames a directory; fails when `to` exists (never replaces).
[[nodiscard]] Status rename_no_replace(const std::string& from, const std::string& to);
// Swaps two existing directories, in one step where the file system can.
[[nodiscard]] Status rename_exchange(const std::string& a, const std::string& b);

// What the two above do on a file system without such renames; public so that their tests reach them everywhere.
// Claims `to` by creating it, then renames over the empty directory: two processes cannot both succeed.
[[nodiscard]] Status rename_by_claim(const std::string& from, const std::string& to);
// Three renames, `b` set aside first: killed between them, both directories are complete, one under a name starting with ".jang-swap-".
[[nodiscard]] Status exchange_by_steps(const std::string& a, const std::string& b);

}  // namespace jang
