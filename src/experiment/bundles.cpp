// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "experiment/bundles.h"

#include <filesystem>

#include "base/clock.h"
#include "base/file.h"
#include "experiment/class_bits.h"
#include "experiment/fingerprint.h"
#include "experiment/gguf/dequantized.h"
#include "experiment/line_log.h"
#include "format/targets/targets.h"
#include "json/json.h"
#include "plan/layout.h"
#include "plan/make_plan.h"

namespace jang::experiment {
namespace {

namespace fs = std::filesystem;

constexpr int kRecordVersion = 1;
constexpr double kKeptBits = 16;

json::Value record_json(const BundleRecord& r) {
  json::Value v = json::Value::object();
  v["record_version"] = kRecordVersion;
  v["fingerprint"] = r.fingerprint;
  v["convert_seconds"] = r.convert_seconds;
  v["code_bits"] = r.code_bits;
  v["stored_bits"] = r.stored_bits;
  v["file_bytes"] = r.file_bytes;
  v["open_bytes"] = r.open_bytes;
  v["classes"] = to_json(r.classes);
  if (!r.calibration_text.empty()) v["calibration_text"] = r.calibration_text;
  if (r.calibration_seconds) v["calibration_seconds"] = *r.calibration_seconds;
  return v;
}

Result<std::vector<ClassBits>> read_classes(const json::Value& v) {
  const Status bad(StatusCode::corrupt, "`classes` is not what it should be");
  const json::Value* list = json::find(v, "classes");
  if (!list || !list->is_object()) return bad;
  std::vector<ClassBits> classes;
  for (const auto& [name, bits] : list->items()) {
    if (!bits.is_array()) return bad;
    ClassBits c{name, {}};
    for (const json::Value& b : bits) {
      if (!b.is_number()) return bad;
      c.bits.push_back(b.get<double>());
    }
    classes.push_back(std::move(c));
  }
  return classes;
}

Result<BundleRecord> read_record(const std::string& path) {
  JANG_ASSIGN(const json::Value v, json::parse_file(path));
  BundleRecord r;
  JANG_ASSIGN(const std::int64_t version, json::get_int(v, "record_version", 0, 0, kRecordVersion));
  if (version != kRecordVersion) return Status(StatusCode::corrupt, "another version");
  JANG_ASSIGN(r.fingerprint, json::get_string(v, "fingerprint", ""));
  JANG_ASSIGN(r.convert_seconds, json::get_number(v, "convert_seconds", 0));
  JANG_ASSIGN(r.code_bits, json::get_number(v, "code_bits", 0));
  JANG_ASSIGN(r.stored_bits, json::get_number(v, "stored_bits", 0));
  JANG_ASSIGN(const std::int64_t bytes, json::get_int(v, "file_bytes", 0, 0, INT64_MAX));
  r.file_bytes = static_cast<std::uint64_t>(bytes);
  JANG_ASSIGN(const std::int64_t open_bytes, json::get_int(v, "open_bytes", bytes, 0, INT64_MAX));
  r.open_bytes = static_cast<std::uint64_t>(open_bytes);
  JANG_ASSIGN(r.classes, read_classes(v));
  JANG_ASSIGN(r.calibration_text, json::get_string(v, "calibration_text", ""));
  if (v.contains("calibration_seconds")) {
    JANG_ASSIGN(r.calibration_seconds, json::get_number(v, "calibration_seconds", 0));
  }
  return r;
}

// `gguf`: path of the file of a GGUF recipe.
Result<std::string> bundle_fingerprint(const Recipe& recipe, const std::string& gguf, const BundleOptions& options) {
  json::Value facts = json::Value::object();
  if (recipe.is_gguf()) {
    JANG_ASSIGN(const InputFile file, InputFile::open(gguf));
    facts["gguf"] = {file.path(), file.size(), file.mtime_ns()};
  }
  facts["source"] = options.source_fingerprint;
  facts["recipe"] = recipe.name;
  facts["tool"] = options.tool;
  return fingerprint(facts);
}

// Never under the final name before it is complete.
Result<BundleRecord> dequantize_gguf(const quantize::Source& source, const MadeGguf& file, const std::string& directory,
                                     const CancelFlag* cancel) {
  const std::string partial = directory + ".partial";
  std::error_code error;
  Result<GgufFacts> written = write_dequantized(source, file.path, partial, cancel);
  if (!written.ok()) {
    fs::remove_all(partial, error);
    return written.status();
  }
  GgufFacts facts = std::move(written).value();
  fs::remove_all(directory, error);
  JANG_TRY(rename_no_replace(partial, directory));
  BundleRecord record;
  record.convert_seconds = file.seconds;
  record.stored_bits = facts.stored_bits;
  record.file_bytes = facts.tensor_bytes;
  record.open_bytes = fs::file_size(directory + "/model.safetensors", error);
  record.classes = std::move(facts.classes);
  return record;
}

std::vector<ClassBits> classes_of(const arch::Model& model, const plan::Plan& plan) {
  std::vector<TensorBits> tensors;
  for (const plan::TensorPlan& t : plan.tensors)
    tensors.push_back({&model.tensors[static_cast<std::size_t>(t.tensor)], t.choice.bits > 0 ? t.choice.bits : kKeptBits});
  return class_bits(model.n_layers, tensors);
}

// `source`: opened for the recipe's target.
Result<BundleRecord> convert_bundle(const quantize::Source& source, const Recipe& recipe, const std::string& directory,
                                    const BundleOptions& options) {
  quantize::RunOptions run = options.run;
  if (recipe.self || recipe.awq) {
    JANG_ASSIGN(run.statistics, options.self->statistics(source));
  }
  const auto start = Clock::now();
  JANG_ASSIGN(const plan::Options planning, recipe_options(source, recipe, run));
  // What is tried out in a running model are affine groups of the default target's units.
  const bool by_itself = recipe.self && plan::needs_errors(planning) && recipe.target.empty();
  JANG_ASSIGN(plan::Plan plan, by_itself ? options.self->plan(source, planning, run) : quantize::plan_source(source, planning, "", run));
  if (recipe.awq) JANG_TRY(options.self->find_scales(source, run, &plan));
  JANG_ASSIGN(const quantize::ConvertReport done, quantize::convert(source, plan, directory, true, run));
  BundleRecord record;
  record.convert_seconds = seconds_since(start);
  record.code_bits = done.sizes.code_bits;
  record.stored_bits = done.sizes.stored_bits;
  record.file_bytes = record.open_bytes = done.sizes.file_bytes;
  record.classes = classes_of(source.model, plan);
  if (run.statistics != nullptr && (recipe.self || recipe.awq)) {
    record.calibration_text = run.statistics->text;
    record.calibration_seconds = options.self->seconds();
  }
  return record;
}

Result<BundleRecord> convert_recipe(const quantize::Source& source, const Recipe& recipe, const std::string& directory,
                                    const BundleOptions& options) {
  if (recipe.target.empty()) return convert_bundle(source, recipe, directory, options);
  JANG_ASSIGN(const quantize::Source other, quantize::open_source(source.checkpoint.path(), {}, *targets::find_target(recipe.target)));
  return convert_bundle(other, recipe, directory, options);
}

}  // namespace

Result<BundleRecord> prepare_bundle(const quantize::Source& source, const Recipe& recipe, const BundleOptions& options) {
  JANG_TRY(make_directories(options.work + "/bundles"));
  const std::string directory = options.work + "/bundles/" + file_name_of(recipe), record_path = directory + ".json";
  MadeGguf gguf{recipe.gguf_file};
  if (!recipe.gguf_type.empty()) {
    JANG_ASSIGN(gguf, make_gguf(source, recipe, options.gguf, options.work, options.source_fingerprint, options.run));
  }
  JANG_ASSIGN(const std::string wanted, bundle_fingerprint(recipe, gguf.path, options));
  std::error_code error;
  if (fs::is_directory(directory, error) && fs::exists(record_path, error)) {
    Result<BundleRecord> found = read_record(record_path);  // one that cannot be read is one that is not there
    if (found.ok() && found->fingerprint == wanted) {
      found->directory = directory;
      return found;
    }
  }
  fs::remove(record_path, error);
  JANG_ASSIGN(BundleRecord record, recipe.is_gguf() ? dequantize_gguf(source, gguf, directory, options.run.cancel)
                                                    : convert_recipe(source, recipe, directory, options));
  record.directory = directory;
  record.fingerprint = wanted;
  JANG_TRY(replace_text(record_path, json::dump(record_json(record), 1) + "\n"));
  return record;
}

}  // namespace jang::experiment
