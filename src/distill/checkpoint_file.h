// SPDX-License-Identifier: Apache-2.0
// The file of a checkpoint: a safetensors file whose metadata says what run it is of ("settings") and how far that is ("progress"), with a
// checksum over the latter and the bytes of all tensors. It is absent, old or complete at any time.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "format/safetensors.h"
#include "jang/status.h"
#include "kernels/device.h"

namespace jang::distill {

// A tensor of the file: on the device, or bytes of the host.
struct CheckpointPart {
  TensorInfo info;
  kernels::Tensor on_device{};
  std::span<std::byte> bytes{};
};

template <typename T>
[[nodiscard]] CheckpointPart host_part(std::string name, DType dtype, std::vector<T>& values) {
  return {{std::move(name), dtype, {static_cast<std::int64_t>(values.size() * sizeof(T)) / size_bytes(dtype)}},
          {},
          std::as_writable_bytes(std::span(values))};
}

// Whether a checkpoint can be kept at this path. Errors: invalid_argument (what is there is no checkpoint: it would be overwritten).
[[nodiscard]] Status check_checkpoint_place(const std::string& path);
// `sync`: returns when it is on the disk, which takes seconds; else it may be lost, and with it the one before, if the machine fails soon.
// Errors: write errors.
[[nodiscard]] Status write_checkpoint_file(const std::string& path, const std::string& settings, const std::string& progress,
                                           const std::vector<CheckpointPart>& parts, kernels::Device& device, bool sync);

class CheckpointFile {
 public:
  // Precondition: check_checkpoint_place. Errors: those of opening and of the header.
  [[nodiscard]] static Result<CheckpointFile> open(const std::string& path);
  // Empty where there is none.
  [[nodiscard]] const std::string& settings() const { return value("settings"); }
  [[nodiscard]] const std::string& progress() const { return value("progress"); }
  // Fills the parts. Errors: corrupt (a part that is missing or of another shape; the checksum is another: parts are changed then).
  [[nodiscard]] Status read(const std::vector<CheckpointPart>& parts, kernels::Device& device) const;

 private:
  CheckpointFile(InputFile file, format::SafetensorsHeader header) : file_(std::move(file)), header_(std::move(header)) {}
  [[nodiscard]] const std::string& value(const char* key) const;

  InputFile file_;
  format::SafetensorsHeader header_;
};

// What is wrong with a checkpoint that cannot be read.
[[nodiscard]] Status damaged_checkpoint(std::string_view what);

}  // namespace jang::distill
