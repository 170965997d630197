// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "distill/checkpoint_file.h"

#include <cstdio>
#include <filesystem>
#include <map>
#include <utility>

#include <fmt/format.h>
#include <xxhash.h>

namespace jang::distill {
namespace {

// The bytes of parts, one after the other: those on the device are read into memory that is used again.
class PartReader {
 public:
  explicit PartReader(kernels::Device& device) : device_(device) {}
  [[nodiscard]] Result<std::span<const std::byte>> bytes(const CheckpointPart& part) {
    if (!part.on_device.exists()) return std::span<const std::byte>(part.bytes);
    read_.resize(static_cast<std::size_t>(part.on_device.bytes()));
    JANG_TRY(device_.read(part.on_device, read_.data()));
    return std::span<const std::byte>(read_);
  }

 private:
  kernels::Device& device_;
  std::vector<std::byte> read_;
};

Result<std::string> checksum(const std::string& progress, std::span<const CheckpointPart> parts, kernels::Device& device) {
  PartReader reader(device);
  std::uint64_t hash = XXH3_64bits(progress.data(), progress.size());
  for (const CheckpointPart& p : parts) {
    JANG_ASSIGN(const std::span<const std::byte> bytes, reader.bytes(p));
    hash = XXH3_64bits_withSeed(bytes.data(), bytes.size(), hash);
  }
  return fmt::format("{:016x}", hash);
}

std::uint64_t size_of(const CheckpointPart& p) {
  return p.on_device.exists() ? static_cast<std::uint64_t>(p.on_device.bytes()) : p.bytes.size();
}

Status write_parts(const std::string& path, const std::string& settings, const std::string& progress,
                   const std::vector<CheckpointPart>& parts, kernels::Device& device, bool sync) {
  std::vector<TensorInfo> infos;
  for (const CheckpointPart& p : parts) infos.push_back(p.info);
  JANG_ASSIGN(const std::string sum, checksum(progress, parts, device));
  const std::string header = format::make_safetensors_header(infos, {{"settings", settings}, {"progress", progress}, {"checksum", sum}});
  std::uint64_t size = header.size();
  for (const CheckpointPart& p : parts) size += size_of(p);
  JANG_ASSIGN(OutputFile file, OutputFile::create(path));
  JANG_TRY(file.reserve(size));
  JANG_TRY(file.write_at(0, std::as_bytes(std::span(header))));
  std::uint64_t at = header.size();
  PartReader reader(device);
  for (const CheckpointPart& p : parts) {
    JANG_ASSIGN(const std::span<const std::byte> bytes, reader.bytes(p));
    JANG_TRY(file.write_at(at, bytes));
    at += bytes.size();
  }
  return sync ? file.sync() : Status();
}

}  // namespace

Status damaged_checkpoint(std::string_view what) { return {StatusCode::corrupt, fmt::format("it is damaged: {}", what)}; }

Status write_checkpoint_file(const std::string& path, const std::string& settings, const std::string& progress,
                             const std::vector<CheckpointPart>& parts, kernels::Device& device, bool sync) {
  const std::string temporary = path + ".tmp";
  Status written = write_parts(temporary, settings, progress, parts, device, sync);
  if (written.ok() && std::rename(temporary.c_str(), path.c_str()) != 0)
    written = Status::write_error(fmt::format("cannot rename '{}' to '{}'", temporary, path));
  if (!written.ok()) std::remove(temporary.c_str());
  return written;
}

Status check_checkpoint_place(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code ec;
  if (!fs::exists(fs::symlink_status(path, ec))) return {};
  const Status foreign(StatusCode::invalid_argument,
                       fmt::format("{} is in the way: it is no checkpoint of a distillation; move it, or choose another output", path));
  if (!fs::is_regular_file(path, ec)) return foreign;
  const Result<CheckpointFile> file = CheckpointFile::open(path);
  return !file.ok() || file->progress().empty() ? foreign : Status();
}

Result<CheckpointFile> CheckpointFile::open(const std::string& path) {
  JANG_ASSIGN(InputFile file, InputFile::open(path));
  JANG_ASSIGN(format::SafetensorsHeader header, format::read_safetensors_header(file));
  return CheckpointFile(std::move(file), std::move(header));
}

const std::string& CheckpointFile::value(const char* key) const {
  static const std::string none;
  const auto at = header_.metadata.find(key);
  return at == header_.metadata.end() ? none : at->second;
}

Status CheckpointFile::read(const std::vector<CheckpointPart>& parts, kernels::Device& device) const {
  std::map<std::string, const format::SafetensorsEntry*> by_name;
  for (const format::SafetensorsEntry& entry : header_.tensors) by_name[entry.info.name] = &entry;
  for (const CheckpointPart& p : parts) {
    const auto found = by_name.find(p.info.name);
    if (found == by_name.end() || found->second->info.dtype != p.info.dtype || found->second->info.shape != p.info.shape)
      return damaged_checkpoint(fmt::format("tensor '{}' is not there, or of another shape", p.info.name));
  }
  std::vector<std::byte> read;
  for (const CheckpointPart& p : parts) {
    const std::uint64_t at = by_name.at(p.info.name)->offset_bytes;
    if (p.on_device.exists()) {
      read.resize(size_of(p));
      JANG_TRY(file_.read_at(at, read));
      JANG_TRY(device.write(read.data(), p.on_device));
    } else {
      JANG_TRY(file_.read_at(at, p.bytes));
    }
  }
  JANG_ASSIGN(const std::string sum, checksum(progress(), parts, device));
  return value("checksum") == sum ? Status() : damaged_checkpoint("its checksum is another");
}

}  // namespace jang::distill
