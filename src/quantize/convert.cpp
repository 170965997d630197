// SPDX-License-Identifier: Apache-2.0
// The conversion from opened source and plan to published bundle.
#include "quantize/convert.h"

#include <sys/resource.h>

#include <chrono>
#include <filesystem>

#include "format/bundle.h"
#include "format/bundle_writer.h"
#include "kernels/devices.h"
#include "quantize/check_loads.h"
#include "quantize/encode_tasks.h"
#include "quantize/metadata.h"
#include "quantize/side_files.h"

namespace jang::quantize {
namespace {

namespace fs = std::filesystem;

std::uint64_t peak_rss_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
#ifdef __APPLE__
  return static_cast<std::uint64_t>(usage.ru_maxrss);
#else
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
#endif
}

Status copy_side_files(const Source& source, format::BundleWriter& writer, Observer& observer) {
  JANG_ASSIGN(const SideFiles files, find_side_files(source.checkpoint.path()));
  for (const std::string& why : files.left) observer.warn("not copied: " + why);
  for (const std::string& name : files.names) JANG_TRY(writer.add_copy(source.checkpoint.path() + "/" + name, name));
  return {};
}

// Everything a reader would find wrong with the finished directory, before anyone can see it.
Status check_bundle(const std::string& directory) {
  JANG_ASSIGN(const std::vector<format::Finding> findings, validate_bundle(directory, {.deep = true}));
  for (const format::Finding& f : findings)
    if (f.severity == format::Severity::error)
      return Status(StatusCode::corrupt,
                    "the written bundle does not pass its own check, nothing was published: " + f.where + ": " + f.message);
  return {};
}

// Refuses an output that is the source, or lies where the swap would destroy it.
Status check_output(const Source& source, const std::string& output) {
  std::error_code ec;
  if (fs::exists(output, ec) && fs::equivalent(output, source.checkpoint.path(), ec))
    return Status(StatusCode::invalid_argument, "output " + output + " is the source itself; choose another -o");
  return {};
}

}  // namespace

Result<ConvertReport> convert(const Source& source, const plan::Plan& plan, const std::string& output, bool force, const RunOptions& run) {
  const auto start = std::chrono::steady_clock::now();
  SilentObserver silent;
  Observer& observer = run.observer ? *run.observer : silent;
  JANG_ASSIGN(const std::unique_ptr<kernels::Device> device, kernels::open_device(run.backend, nullptr));
  JANG_TRY(check_loadable(source.model));
  JANG_TRY(check_output(source, output));
  Importance importance;
  if (!plan.statistics.empty()) {
    if (!run.statistics || run.statistics->digest != plan.statistics)
      return Status(StatusCode::invalid_argument, "the plan needs the statistics " + plan.statistics);
    JANG_ASSIGN(importance, Importance::create(source.model, *run.statistics));
  }

  if ((plan.method == plan::Method::gptq) != (run.grams != nullptr))
    return Status(StatusCode::invalid_argument, "the method gptq needs the inputs of a running model, and no other method does");
  ConvertReport report;
  report.layout = plan::make_layout(source.model, plan);
  report.sizes = plan::sizes(source.model, plan, report.layout);
  report.output = output;
  std::vector<format::PlannedFile> files;
  for (const plan::Shard& s : report.layout.shards) files.push_back({s.file_name, s.header, s.file_bytes});
  JANG_ASSIGN(format::BundleWriter writer, format::BundleWriter::create(output, force, files));

  observer.phase(4, 5, "quantize");
  JANG_ASSIGN(report.errors, run_encode_tasks(source, plan, report.layout, *device, importance, writer, run));
  JANG_TRY(source.checkpoint.check_unchanged());

  observer.phase(5, 5, "write");
  JANG_TRY(copy_side_files(source, writer, observer));
  JANG_TRY(writer.add_text("model.safetensors.index.json", json::dump(make_index(report.layout, report.sizes), 2) + "\n"));
  JANG_TRY(
      writer.add_text("jang_config.json",
                      json::dump(make_jang_config(source, plan, report.layout, report.sizes, report.errors, run.statistics), 2) + "\n"));
  JANG_TRY(writer.add_text("config.json", json::dump_for_python(make_config(source.model, plan), 2) + "\n"));
  JANG_TRY(writer.sync());
  JANG_TRY(check_bundle(writer.partial_path()));
  if (is_cancelled(run)) return Status(StatusCode::cancelled, "conversion stopped");
  JANG_TRY(writer.publish());
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  report.peak_rss_bytes = peak_rss_bytes();
  return report;
}

}  // namespace jang::quantize
