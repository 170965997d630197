// SPDX-License-Identifier: Apache-2.0
// Writes a bundle so that it appears whole or not at all.
//
// Everything goes to a sibling directory "<output>.partial": every tensor file is reserved at its final size first (a full disk fails
// before the work), payloads are written at their final offsets by any thread in any order, then side files, config.json last. publish()
// syncs, and renames the directory to `output` without replacing. A process killed at any point leaves at most the partial directory, which
// has no config.json and is not a model; the next conversion to the same output removes it. A lock in it keeps a second writer away.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "jang/status.h"

namespace jang::format {

struct PlannedFile {
  std::string name;    // bare file name
  std::string header;  // its first bytes
  std::uint64_t bytes = 0;
};

// Refuses an output beside which something lies under the name of its unfinished form that no interrupted conversion left. BundleWriter
// asks it too; long work asks before it begins. Errors: invalid_argument.
[[nodiscard]] Status check_not_in_the_way(const std::string& output);
// Refuses an output whose swap would take an input away: it is that input, or holds it. Nothing stands in the way of what does not exist.
// Errors: invalid_argument.
[[nodiscard]] Status check_apart(const std::string& output, std::span<const std::string> inputs);

class BundleWriter {
 public:
  // Creates the partial directory, reserves `files` and writes their headers. With `force` an existing `output` that is a model directory
  // (has config.json) will be swapped out by publish(). Errors: invalid_argument (output exists, or is locked by another writer), write
  // errors.
  [[nodiscard]] static Result<BundleWriter> create(const std::string& output, bool force, const std::vector<PlannedFile>& files);
  BundleWriter(BundleWriter&&) noexcept;
  BundleWriter& operator=(BundleWriter&&) = delete;
  BundleWriter(const BundleWriter&) = delete;
  BundleWriter& operator=(const BundleWriter&) = delete;
  ~BundleWriter();  // removes the partial directory unless published

  // Writes into planned file `file`. Thread safe for disjoint ranges.
  [[nodiscard]] Status write_at(int file, std::uint64_t offset, std::span<const std::byte> data);
  // Adds a small file.
  [[nodiscard]] Status add_text(const std::string& name, std::string_view text);
  // Copies a regular file. A name with a folder in front ("folder/name") makes the folder.
  [[nodiscard]] Status add_copy(const std::string& from, const std::string& name);
  // Syncs every tensor file and the directory.
  [[nodiscard]] Status sync();
  // Makes the directory visible as `output`. After it the writer is done.
  [[nodiscard]] Status publish();

  [[nodiscard]] const std::string& partial_path() const { return partial_; }

 private:
  BundleWriter() = default;
  std::string output_, partial_;
  bool replace_ = false, active_ = false;
  int lock_fd_ = -1;
  std::vector<OutputFile> files_;
};

}  // namespace jang::format
