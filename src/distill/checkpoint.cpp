// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "distill/checkpoint.h"

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <map>
#include <utility>

#include <fmt/format.h>
#include <xxhash.h>

#include "base/checked.h"
#include "base/file.h"
#include "format/safetensors.h"
#include "json/json.h"

namespace jang::distill {
namespace {

// A tensor of the file: on the device, or bytes of the best step.
struct Part {
  TensorInfo info;
  kernels::Tensor on_device{};
  std::span<std::byte> bytes{};
};

template <typename T>
Part part(std::string name, DType dtype, std::vector<T>& values) {
  return {{std::move(name), dtype, {static_cast<std::int64_t>(values.size())}}, {}, std::as_writable_bytes(std::span(values))};
}

// Everything in the file, in its order.
std::vector<Part> parts_of(Student& student, StoredModules& best) {
  std::vector<Part> parts;
  for (TrainedModule& module : student.modules()) {
    int i = 0;
    for (const kernels::Tensor& values : module.state())
      parts.push_back({{fmt::format("{}/{}", module.path(), i++), DType::f32, {values.rows * values.columns}}, values});
  }
  for (auto& [path, stored] : best) {
    parts.push_back(part(path + "/scales", DType::f32, stored.scales));
    parts.push_back(part(path + "/biases", DType::f32, stored.biases));
    parts.push_back(part(path + "/codes", DType::u8, stored.codes));
  }
  return parts;
}

// The bytes of parts, one after the other: those on the device are read into memory that is used again.
class PartReader {
 public:
  explicit PartReader(kernels::Device& device) : device_(device) {}
  [[nodiscard]] Result<std::span<const std::byte>> bytes(const Part& part) {
    if (!part.on_device.exists()) return std::span<const std::byte>(part.bytes);
    read_.resize(static_cast<std::size_t>(part.on_device.bytes()));
    JANG_TRY(device_.read(part.on_device, read_.data()));
    return std::span<const std::byte>(read_);
  }

 private:
  kernels::Device& device_;
  std::vector<std::byte> read_;
};

// JSON has no infinity: a short run that left the numbers reached null.
json::Value number(double v) { return std::isfinite(v) ? json::Value(v) : json::Value(nullptr); }

json::Value document(const Progress& p) {
  json::Value points = json::Value::array(), trials = json::Value::array();
  for (const DistillationPoint& point : p.points) points.push_back({point.step, number(point.divergence)});
  for (const DistillationTrial& trial : p.trials) trials.push_back({trial.rate, number(trial.divergence)});
  return {{"step", p.step},   {"steps", p.steps}, {"rate", p.rate},    {"kept_step", p.kept_step}, {"has_best", !p.best.empty()},
          {"points", points}, {"trials", trials}, {"device", p.device}};
}

Status damaged(std::string_view what) { return {StatusCode::corrupt, fmt::format("it is damaged: {}", what)}; }

// Pairs of numbers, the second null where it is infinite.
Result<std::vector<std::pair<double, double>>> pairs(const json::Value& v, std::string_view name) {
  const json::Value* list = json::find(v, name);
  if (list == nullptr || !list->is_array()) return damaged(name);
  std::vector<std::pair<double, double>> out;
  for (const json::Value& pair : *list) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_number() || !(pair[1].is_number() || pair[1].is_null())) return damaged(name);
    out.emplace_back(pair[0].get<double>(), pair[1].is_null() ? std::numeric_limits<double>::infinity() : pair[1].get<double>());
  }
  return out;
}

Result<Progress> parse(const json::Value& v) {
  Progress p;
  JANG_ASSIGN(p.steps, json::get_int(v, "steps", 0, 1, std::int64_t{1} << 40));
  JANG_ASSIGN(p.step, json::get_int(v, "step", -1, 0, p.steps));
  JANG_ASSIGN(p.kept_step, json::get_int(v, "kept_step", -1, 0, p.step));
  JANG_ASSIGN(p.rate, json::get_number(v, "rate", -1));
  JANG_ASSIGN(p.device, json::get_string(v, "device", ""));
  JANG_ASSIGN(const auto points, pairs(v, "points"));
  JANG_ASSIGN(const auto trials, pairs(v, "trials"));
  if (!(p.rate >= 0) || !std::isfinite(p.rate)) return damaged("rate");
  if (points.empty() || points.front().first != 0 || !std::isfinite(points.front().second)) return damaged("points");
  for (const auto& [step, divergence] : points) p.points.push_back({static_cast<std::int64_t>(step), divergence});
  for (const auto& [rate, divergence] : trials) p.trials.push_back({rate, divergence});
  return p;
}

Result<std::string> checksum(const std::string& progress, std::span<const Part> parts, kernels::Device& device) {
  PartReader reader(device);
  std::uint64_t hash = XXH3_64bits(progress.data(), progress.size());
  for (const Part& p : parts) {
    JANG_ASSIGN(const std::span<const std::byte> bytes, reader.bytes(p));
    hash = XXH3_64bits_withSeed(bytes.data(), bytes.size(), hash);
  }
  return fmt::format("{:016x}", hash);
}

std::uint64_t bytes_of(const Part& p) { return p.on_device.exists() ? static_cast<std::uint64_t>(p.on_device.bytes()) : p.bytes.size(); }

Status write(const std::string& path, const std::string& settings, const Progress& progress, const std::vector<Part>& parts,
             kernels::Device& device, bool sync) {
  std::vector<TensorInfo> infos;
  for (const Part& p : parts) infos.push_back(p.info);
  const std::string text = json::dump(document(progress));
  JANG_ASSIGN(const std::string sum, checksum(text, parts, device));
  const std::string header = format::make_safetensors_header(infos, {{"settings", settings}, {"progress", text}, {"checksum", sum}});
  std::uint64_t size = header.size();
  for (const Part& p : parts) size += bytes_of(p);
  JANG_ASSIGN(OutputFile file, OutputFile::create(path));
  JANG_TRY(file.reserve(size));
  JANG_TRY(file.write_at(0, std::as_bytes(std::span(header))));
  std::uint64_t at = header.size();
  PartReader reader(device);
  for (const Part& p : parts) {
    JANG_ASSIGN(const std::span<const std::byte> bytes, reader.bytes(p));
    JANG_TRY(file.write_at(at, bytes));
    at += bytes.size();
  }
  return sync ? file.sync() : Status();
}

using Metadata = decltype(format::SafetensorsHeader::metadata);
const std::string& value(const Metadata& metadata, const char* key) {
  static const std::string none;
  const auto at = metadata.find(key);
  return at == metadata.end() ? none : at->second;
}

// The progress of a file whose tensors are those of the student; they are read into it.
Result<Progress> read(const InputFile& file, const format::SafetensorsHeader& header, const std::string& settings, Student& student) {
  if (value(header.metadata, "settings") != settings) return Status(StatusCode::invalid_argument, "it is of another run");
  const std::string& text = value(header.metadata, "progress");
  JANG_ASSIGN(const json::Value document, json::parse(text, file.path()));
  JANG_ASSIGN(Progress progress, parse(document));
  JANG_ASSIGN(const bool has_best, json::get_bool(document, "has_best", false));
  if (has_best) {
    JANG_ASSIGN(progress.best, student.stored());
  }
  std::map<std::string, const format::SafetensorsEntry*> by_name;
  for (const format::SafetensorsEntry& entry : header.tensors) by_name[entry.info.name] = &entry;
  const std::vector<Part> parts = parts_of(student, progress.best);
  for (const Part& p : parts) {
    const auto found = by_name.find(p.info.name);
    if (found == by_name.end() || found->second->info.dtype != p.info.dtype || found->second->info.shape != p.info.shape)
      return damaged(fmt::format("tensor '{}' is not there, or of another shape", p.info.name));
  }
  std::vector<std::byte> read;
  for (const Part& p : parts) {
    const std::uint64_t at = by_name.at(p.info.name)->offset_bytes;
    if (p.on_device.exists()) {
      read.resize(bytes_of(p));
      JANG_TRY(file.read_at(at, read));
      JANG_TRY(student.device().write(read.data(), p.on_device));
    } else {
      JANG_TRY(file.read_at(at, p.bytes));
    }
  }
  JANG_ASSIGN(const std::string sum, checksum(text, parts, student.device()));
  if (value(header.metadata, "checksum") != sum) return damaged("its checksum is another");
  return progress;
}

}  // namespace

Status write_checkpoint(const std::string& path, const std::string& settings, const Progress& progress, Student& student, bool sync) {
  const std::string temporary = path + ".tmp";
  StoredModules best = progress.best;
  Status written = write(temporary, settings, progress, parts_of(student, best), student.device(), sync);
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
  JANG_ASSIGN(const InputFile file, InputFile::open(path));
  const Result<format::SafetensorsHeader> header = format::read_safetensors_header(file);
  return !header.ok() || value(header->metadata, "progress").empty() ? foreign : Status();
}

Result<std::optional<Progress>> read_checkpoint(const std::string& path, const std::string& settings, Student& student, std::string* why) {
  JANG_TRY(check_checkpoint_place(path));
  std::error_code ec;
  if (!std::filesystem::exists(path, ec)) return std::optional<Progress>{};
  JANG_ASSIGN(const InputFile file, InputFile::open(path));
  JANG_ASSIGN(const format::SafetensorsHeader header, format::read_safetensors_header(file));
  Result<Progress> progress = read(file, header, settings, student);
  if (!progress.ok()) {
    *why = progress.status().message();
    JANG_TRY(student.reset());
    return std::optional<Progress>{};
  }
  JANG_TRY(student.refresh());
  return std::optional<Progress>(std::move(progress).value());
}

}  // namespace jang::distill
