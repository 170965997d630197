// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "distill/checkpoint.h"

#include <cmath>
#include <filesystem>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "distill/checkpoint_file.h"
#include "json/json.h"

namespace jang::distill {
namespace {

// Everything in the file, in its order.
std::vector<CheckpointPart> parts_of(Student& student, StoredModules& best) {
  std::vector<CheckpointPart> parts;
  for (TrainedModule& module : student.modules()) {
    int i = 0;
    for (const kernels::Tensor& values : module.state())
      parts.push_back({{fmt::format("{}/{}", module.path(), i++), DType::f32, {values.rows * values.columns}}, values});
  }
  for (auto& [path, stored] : best) {
    parts.push_back(host_part(path + "/scales", DType::f32, stored.scales));
    parts.push_back(host_part(path + "/biases", DType::f32, stored.biases));
    parts.push_back(host_part(path + "/codes", DType::u8, stored.codes));
  }
  return parts;
}

// JSON has no infinity: a short run that left the numbers reached null.
json::Value number(double v) { return std::isfinite(v) ? json::Value(v) : json::Value(nullptr); }

json::Value document(const Progress& p) {
  json::Value points = json::Value::array(), trials = json::Value::array();
  for (const DistillationPoint& point : p.points) points.push_back({point.step, number(point.divergence)});
  for (const DistillationTrial& trial : p.trials) trials.push_back({trial.rate, number(trial.divergence)});
  return {{"step", p.step},   {"steps", p.steps}, {"rate", p.rate},    {"kept_step", p.kept_step}, {"has_best", !p.best.empty()},
          {"points", points}, {"trials", trials}, {"device", p.device}};
}

// Pairs of numbers, the second null where it is infinite.
Result<std::vector<std::pair<double, double>>> pairs(const json::Value& v, std::string_view name) {
  const json::Value* list = json::find(v, name);
  if (list == nullptr || !list->is_array()) return damaged_checkpoint(name);
  std::vector<std::pair<double, double>> out;
  for (const json::Value& pair : *list) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_number() || !(pair[1].is_number() || pair[1].is_null()))
      return damaged_checkpoint(name);
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
  if (!(p.rate >= 0) || !std::isfinite(p.rate)) return damaged_checkpoint("rate");
  if (points.empty() || points.front().first != 0 || !std::isfinite(points.front().second)) return damaged_checkpoint("points");
  for (const auto& [step, divergence] : points) p.points.push_back({static_cast<std::int64_t>(step), divergence});
  for (const auto& [rate, divergence] : trials) p.trials.push_back({rate, divergence});
  return p;
}

// The progress of a file whose tensors are those of the student; they are read into it.
Result<Progress> read(const CheckpointFile& file, const std::string& path, const std::string& settings, Student& student) {
  if (file.settings() != settings) return Status(StatusCode::invalid_argument, "it is of another run");
  JANG_ASSIGN(const json::Value document, json::parse(file.progress(), path));
  JANG_ASSIGN(Progress progress, parse(document));
  JANG_ASSIGN(const bool has_best, json::get_bool(document, "has_best", false));
  if (has_best) {
    JANG_ASSIGN(progress.best, student.stored());
  }
  JANG_TRY(file.read(parts_of(student, progress.best), student.device()));
  return progress;
}

}  // namespace

Status write_checkpoint(const std::string& path, const std::string& settings, const Progress& progress, Student& student, bool sync) {
  StoredModules best = progress.best;
  return write_checkpoint_file(path, settings, json::dump(document(progress)), parts_of(student, best), student.device(), sync);
}

Result<std::optional<Progress>> read_checkpoint(const std::string& path, const std::string& settings, Student& student, std::string* why) {
  JANG_TRY(check_checkpoint_place(path));
  std::error_code ec;
  if (!std::filesystem::exists(path, ec)) return std::optional<Progress>{};
  JANG_ASSIGN(const CheckpointFile file, CheckpointFile::open(path));
  Result<Progress> progress = read(file, path, settings, student);
  if (!progress.ok()) {
    *why = progress.status().message();
    JANG_TRY(student.reset());
    return std::optional<Progress>{};
  }
  JANG_TRY(student.refresh());
  return std::optional<Progress>(std::move(progress).value());
}

}  // namespace jang::distill
