// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "distill/checkpoint.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <map>

#include <fmt/format.h>

#include "base/checked.h"
#include "base/file.h"
#include "format/safetensors.h"
#include "json/json.h"

namespace jang::distill {
namespace {

struct Part {
  TensorInfo info;
  std::span<std::byte> bytes;
};

template <typename T>
Part part(std::string name, DType dtype, std::vector<T>& values) {
  return {{std::move(name), dtype, {static_cast<std::int64_t>(values.size())}}, std::as_writable_bytes(std::span(values))};
}

// Everything in the file, in its order.
std::vector<Part> parts_of(Student& student, StoredModules& best) {
  std::vector<Part> parts;
  for (TrainedModule& module : student.modules()) {
    int i = 0;
    for (std::vector<float>* values : module.state()) parts.push_back(part(fmt::format("{}/{}", module.path(), i++), DType::f32, *values));
  }
  for (auto& [path, stored] : best) {
    parts.push_back(part(path + "/scales", DType::f32, stored.scales));
    parts.push_back(part(path + "/biases", DType::f32, stored.biases));
    parts.push_back(part(path + "/codes", DType::u8, stored.codes));
  }
  return parts;
}

json::Value document(const Progress& p) {
  json::Value points = json::Value::array();
  for (const DistillationPoint& point : p.points) points.push_back({point.step, point.divergence});
  return {{"step", p.step},  {"steps", p.steps}, {"rate", p.rate}, {"kept_step", p.kept_step}, {"has_best", !p.best.empty()},
          {"points", points}};
}

Result<Progress> parse(const json::Value& v) {
  Progress p;
  JANG_ASSIGN(p.steps, json::get_int(v, "steps", 0, 1, std::int64_t{1} << 40));
  JANG_ASSIGN(p.step, json::get_int(v, "step", -1, 0, p.steps));
  JANG_ASSIGN(p.kept_step, json::get_int(v, "kept_step", -1, 0, p.step));
  JANG_ASSIGN(p.rate, json::get_number(v, "rate", 0));
  const json::Value* points = json::find(v, "points");
  if (points == nullptr || !points->is_array()) return Status(StatusCode::corrupt, "no points");
  for (const json::Value& point : *points) {
    if (!point.is_array() || point.size() != 2 || !point[0].is_number_integer() || !point[1].is_number())
      return Status(StatusCode::corrupt, "a point that is none");
    p.points.push_back({point[0].get<std::int64_t>(), point[1].get<double>()});
  }
  return p;
}

Status write(const std::string& path, const std::string& settings, const Progress& progress, std::vector<Part> parts) {
  std::vector<TensorInfo> infos;
  for (const Part& p : parts) infos.push_back(p.info);
  const std::string header = format::make_safetensors_header(infos, {{"settings", settings}, {"progress", json::dump(document(progress))}});
  std::uint64_t size = header.size();
  for (const Part& p : parts) size += p.bytes.size();
  JANG_ASSIGN(OutputFile file, OutputFile::create(path));
  JANG_TRY(file.reserve(size));
  JANG_TRY(file.write_at(0, std::as_bytes(std::span(header))));
  std::uint64_t at = header.size();
  for (const Part& p : parts) {
    JANG_TRY(file.write_at(at, p.bytes));
    at += p.bytes.size();
  }
  return file.sync();
}

// The progress of a file whose tensors are those of the student; they are read into it.
Result<Progress> read(const InputFile& file, const std::string& settings, Student& student) {
  JANG_ASSIGN(const format::SafetensorsHeader header, format::read_safetensors_header(file));
  const auto kept = header.metadata.find("settings"), at = header.metadata.find("progress");
  if (kept == header.metadata.end() || kept->second != settings || at == header.metadata.end())
    return Status(StatusCode::invalid_argument, "it is of another run");
  JANG_ASSIGN(const json::Value document, json::parse(at->second, file.path()));
  JANG_ASSIGN(Progress progress, parse(document));
  JANG_ASSIGN(const bool has_best, json::get_bool(document, "has_best", false));
  if (has_best) progress.best = student.stored();
  std::map<std::string, const format::SafetensorsEntry*> by_name;
  for (const format::SafetensorsEntry& entry : header.tensors) by_name[entry.info.name] = &entry;
  const std::vector<Part> parts = parts_of(student, progress.best);
  for (const Part& p : parts) {
    const auto found = by_name.find(p.info.name);
    if (found == by_name.end() || found->second->info.dtype != p.info.dtype || found->second->info.shape != p.info.shape)
      return Status(StatusCode::corrupt, fmt::format("tensor '{}' is not there, or of another shape", p.info.name));
  }
  for (const Part& p : parts) JANG_TRY(file.read_at(by_name.at(p.info.name)->offset_bytes, p.bytes));
  return progress;
}

}  // namespace

Status write_checkpoint(const std::string& path, const std::string& settings, const Progress& progress, Student& student) {
  const std::string temporary = fmt::format("{}.{}.tmp", path, ::getpid());
  StoredModules best = progress.best;
  Status written = write(temporary, settings, progress, parts_of(student, best));
  if (written.ok() && std::rename(temporary.c_str(), path.c_str()) != 0)
    written = Status::write_error(fmt::format("cannot rename '{}' to '{}'", temporary, path));
  if (!written.ok()) std::remove(temporary.c_str());
  return written;
}

Result<std::optional<Progress>> read_checkpoint(const std::string& path, const std::string& settings, Student& student, std::string* why) {
  std::error_code ec;
  if (!std::filesystem::exists(path, ec)) return std::optional<Progress>{};
  JANG_ASSIGN(const InputFile file, InputFile::open(path));
  Result<Progress> progress = read(file, settings, student);
  if (!progress.ok()) {
    *why = progress.status().message();
    JANG_TRY(student.reset());
    return std::optional<Progress>{};
  }
  JANG_TRY(student.refresh());
  return std::optional<Progress>(std::move(progress).value());
}

}  // namespace jang::distill
