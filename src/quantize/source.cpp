// SPDX-License-Identifier: Apache-2.0
// Opening a source, planning it, naming its output.
#include <filesystem>
#include <string_view>

#include "quantize/convert.h"
#include "quantize/encode_tasks.h"
#include "quantize/measure.h"

namespace jang::quantize {

Result<Source> open_source(const std::string& directory) {
  JANG_ASSIGN(format::Checkpoint checkpoint, format::Checkpoint::open(directory));
  std::vector<TensorInfo> infos;
  infos.reserve(checkpoint.tensors().size());
  for (const format::StoredTensor& t : checkpoint.tensors()) infos.push_back(t.info);
  auto model = arch::describe(checkpoint.config(), infos);
  if (!model.ok()) return model.status().with_context(directory);
  return Source{std::move(checkpoint), std::move(model).value()};
}

Result<plan::Plan> plan_source(const Source& source, const plan::Options& options, const std::string& plan_file, const RunOptions& run) {
  if (!plan_file.empty()) {
    JANG_ASSIGN(const json::Value document, json::parse_file(plan_file));
    auto plan = plan::from_json(source.model, document);
    if (!plan.ok()) return plan.status().with_context(plan_file);
    return plan;
  }
  if (!plan::needs_errors(options)) return plan::make_plan(source.model, options);
  JANG_TRY(plan::check_options(source.model, options));  // whatever can be refused, before the weights are read
  if (run.observer) run.observer->phase(2, 5, "measure");
  JANG_ASSIGN(const plan::ErrorTable errors, measure_errors(source, options, plan::param_dtype(source.model, options), run));
  return plan::make_plan(source.model, options, &errors);
}

std::string default_output_name(const std::string& source_path, const plan::Plan& plan) {
  std::error_code ec;
  std::filesystem::path path = std::filesystem::weakly_canonical(source_path, ec);
  if (path.filename().empty()) path = path.parent_path();
  // A snapshot of the Hub cache is named by its revision: models--org--name/snapshots/<revision>.
  if (path.parent_path().filename() == "snapshots") {
    const std::string repository = path.parent_path().parent_path().filename().string();
    if (const auto at = repository.rfind("--"); at != std::string::npos) path = repository.substr(at + 2);
  }
  std::string name = path.filename().string();
  for (const std::string_view suffix : {"-BF16", "-bf16", "-FP16", "-fp16", "-F16", "-FP32", "-fp32"}) {
    if (name.size() > suffix.size() && name.ends_with(suffix)) {
      name.resize(name.size() - suffix.size());
      break;
    }
  }
  return name + "-" + plan.profile;
}

}  // namespace jang::quantize
