// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "jang/compare.h"

#include "api/access.h"
#include "base/machine.h"
#include "eval/windows.h"
#include "experiment/compare.h"
#include "experiment/line_log.h"
#include "experiment/recipe.h"
#include "experiment/report.h"
#include "experiment/report_json.h"
#include "format/checkpoint.h"
#include "format/hub.h"
#include "jang/machine.h"

namespace jang {
namespace {

constexpr int kSchemaVersion = 1;
// Share of the memory that weight files may take while models run side by side.
constexpr double kOpenShare = 0.6;

Result<experiment::CompareOptions> experiment_options(const std::string& name, const CompareOptions& options, const RunOptions& run) {
  experiment::CompareOptions o;
  JANG_ASSIGN(o.recipes, experiment::parse_recipes(options.recipes));
  JANG_ASSIGN(o.protocol, eval::make_protocol(options.text.protocol, options.text.context, options.text.stride));
  o.max_tokens = options.text.max_tokens;
  o.shots = options.mmlu.shots;
  o.subset = options.mmlu.first_200 ? eval::MmluSubset::first_200 : eval::MmluSubset::all;
  o.load = load_options(run, options.arithmetic == Arithmetic::exact ? kernels::Precision::exact : kernels::Precision::fast);
  JANG_ASSIGN(o.source, find_input(name, run));
  o.text = options.text.file;
  o.mmlu = options.mmlu.directory;
  o.work = !options.work.empty() ? options.work : format::model_name(name) + "-compare";
  o.speed = options.speed;
  o.open_bytes =
      options.open_bytes > 0 ? options.open_bytes : static_cast<std::uint64_t>(static_cast<double>(physical_memory_bytes()) * kOpenShare);
  o.tool = !options.tool.empty() ? options.tool : std::string(version());
  o.gguf = {options.gguf_tools, options.gguf_text};
  o.run = quantize_options(run);
  return o;
}

}  // namespace

Result<CompareResult> compare_recipes(const std::string& name, const CompareOptions& options, const RunOptions& run) {
  JANG_ASSIGN(const experiment::CompareOptions o, experiment_options(name, options, run));
  CompareResult result;
  JANG_ASSIGN(result.report, experiment::compare(o));
  result.work = o.work;
  result.page = o.work + "/report.html";
  json::Value v = json::Value::object();
  v["schema_version"] = kSchemaVersion;
  v["tool"] = o.tool;
  v.update(experiment::to_json(result.report));
  JANG_TRY(experiment::replace_text(result.page, experiment::html_report(result.report, v)));
  JANG_TRY(experiment::replace_text(o.work + "/frontier.svg", experiment::frontier_picture(result.report)));
  v["output"] = o.work;
  v["report"] = result.page;
  result.document = json::dump(v, 2);
  JANG_TRY(experiment::replace_text(o.work + "/compare.json", result.document + "\n"));
  return result;
}

}  // namespace jang
