// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "jang/repair.h"

#include <filesystem>
#include <system_error>

#include "api/access.h"
#include "base/file.h"
#include "format/bundle_writer.h"
#include "format/checkpoint_files.h"
#include "format/targets/mlx/mlx.h"
#include "format/targets/mlx/solve_quantization.h"
#include "format/targets/record.h"
#include "format/targets/side_files.h"
#include "json/json.h"
#include "quantize/source.h"

namespace jang {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kIndexFile = "model.safetensors.index.json", kCard = "README.md";

// A file under its name in the new directory: the same bytes on disk where that is possible.
Status add_file(const std::string& from, const std::string& file_name, format::BundleWriter* writer, RepairReport* report) {
  std::error_code ec;
  const fs::path real = fs::canonical(from, ec);
  if (!ec) fs::create_hard_link(real, fs::path(writer->partial_path()) / file_name, ec);
  ++(ec ? report->n_copied : report->n_linked);
  return ec ? writer->add_copy(from, file_name) : Status();
}

// The index, where there is one that can be used: a link could lead to any file.
Status add_index(const std::string& from, format::BundleWriter* writer) {
  const Result<std::string> text = read_text(from, format::kMaxIndexBytes);
  if (!text.ok() || !format::parse_index(*text, kIndexFile, true).ok()) return {};
  return writer->add_text(std::string(kIndexFile), *text);
}

Status add_files(const format::Checkpoint& checkpoint, bool has_record, format::BundleWriter* writer, RepairReport* report) {
  for (const InputFile& file : checkpoint.files())
    JANG_TRY(add_file(file.path(), fs::path(file.path()).filename().string(), writer, report));
  JANG_ASSIGN(const targets::SideFiles side, targets::find_side_files(checkpoint.path(), targets::mlx::target()));
  report->left = side.left;
  std::error_code ec;
  for (const std::string& name : side.names) {
    const bool is_written = name == "config.json" || name == kIndexFile || (has_record && name == targets::kJangConfig);
    const fs::path there = fs::path(writer->partial_path()) / name;
    if (!is_written && !fs::exists(there, ec)) JANG_TRY(writer->add_copy(checkpoint.path() + "/" + name, name));
  }
  // The card, which conversions write anew.
  if (fs::is_regular_file(fs::symlink_status(checkpoint.path() + "/" + std::string(kCard), ec)))
    JANG_TRY(writer->add_copy(checkpoint.path() + "/" + std::string(kCard), std::string(kCard)));
  return add_index(checkpoint.path() + "/" + std::string(kIndexFile), writer);
}

}  // namespace

Result<RepairReport> repair_model(const std::string& name, const std::string& output, bool force, const RunOptions& run) {
  RepairReport report;
  report.output = without_trailing_slash(output);
  if (report.output.empty()) return Status(StatusCode::invalid_argument, "no output directory is named");
  JANG_ASSIGN(const std::string directory, find_input(name, run));
  JANG_TRY(format::check_apart(report.output, {&directory, 1}));
  const Result<format::Checkpoint> opened_source = format::Checkpoint::open(directory);
  if (!opened_source.ok()) return as_input_failure(opened_source.status());
  const format::Checkpoint& checkpoint = *opened_source;
  JANG_ASSIGN(const json::Value record, targets::read_record(directory));
  JANG_TRY(targets::check_rotation(record));
  JANG_ASSIGN(const targets::mlx::SolvedQuantization solved, targets::mlx::solve_quantization(checkpoint, record));
  report.n_modules = solved.modules.size();
  for (const targets::mlx::SolvedModule& m : solved.modules)
    if (!m.was_right) report.changed.push_back({m.path, m.bits, m.group_size, m.said, std::string(m.by)});
  report.removed = solved.removed;
  report.file_bytes = checkpoint.file_bytes();
  JANG_ASSIGN(format::BundleWriter writer, format::BundleWriter::create(report.output, force, {}));
  std::error_code ec;
  const bool has_record = !solved.record.is_null() && fs::exists(fs::path(directory) / targets::kJangConfig, ec);
  JANG_TRY(add_files(checkpoint, has_record, &writer, &report));
  if (has_record) JANG_TRY(writer.add_text(std::string(targets::kJangConfig), json::dump_for_python(solved.record, 2) + "\n"));
  JANG_TRY(writer.add_text("config.json", json::dump_for_python(solved.config, 2) + "\n"));
  // Every shape against the model that the config describes, of families that are known.
  const auto opened = quantize::open_source(writer.partial_path());
  if (!opened.ok() && opened.status().code() != StatusCode::unsupported)
    return opened.status().with_context("the repaired directory does not open");
  JANG_TRY(writer.sync());
  JANG_TRY(writer.publish());
  return report;
}

}  // namespace jang
