// SPDX-License-Identifier: Apache-2.0
// A file mapped read-only, for weights that are used where they lie. Nothing is read when it is mapped. A file that shrinks while mapped
// kills the process on access (SIGBUS): map finished models only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "jang/status.h"

namespace jang {

class MappedFile {
 public:
  // Maps all of a regular file, which must have `expected_bytes` bytes: offsets were checked against that size. Errors: not_found,
  // invalid_argument (not a regular file), corrupt (another size), io, out_of_memory.
  [[nodiscard]] static Result<MappedFile> open(const std::string& path, std::uint64_t expected_bytes);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  [[nodiscard]] const std::byte* data() const { return data_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  // Asks the system to start reading the whole file. A hint: failure is no error.
  void will_need() const;

 private:
  MappedFile() = default;
  const std::byte* data_ = nullptr;
  std::uint64_t size_ = 0;
};

}  // namespace jang
