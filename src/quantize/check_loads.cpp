// SPDX-License-Identifier: Apache-2.0
// A bundle is described as the source it stands for. What would have to be renamed, stacked or cut, or is not known at all, is what a
// loader does to tensors as it reads them; it does so to unpacked ones only.
#include "quantize/check_loads.h"

#include <fmt/format.h>

#include <set>

#include "format/targets/target.h"
#include "format/targets/targets.h"

namespace jang::quantize {
namespace {

using format::Finding;
using format::Severity;

// Names that the description keeps as they are and whole.
std::set<std::string_view> kept_names(const arch::Model& model, const std::vector<TensorInfo>& infos) {
  std::set<std::string_view> kept;
  for (const arch::OutTensor& t : model.tensors)
    if (t.pieces.size() == 1 && infos[static_cast<std::size_t>(t.pieces.front().source)].name == t.name) kept.insert(t.name);
  for (const arch::Dropped& d : model.dropped) kept.insert(d.name);
  return kept;
}

void add_findings(const format::Bundle& bundle, std::vector<Finding>* findings) {
  std::vector<TensorInfo> infos;
  for (const format::LogicalTensor& t : format::logical_tensors(bundle)) infos.push_back(t.info);
  const Result<arch::Model> model = targets::describe_source(format::logical_config(bundle), infos, {}, *bundle.target);
  if (!model.ok() || model->family != "generic") return;  // listed families: their own checks hold where they are read
  const std::string_view loader = bundle.target->loader();
  if (!model->refusal.empty())
    findings->push_back({Severity::error, "config.json", fmt::format("{} refuses this bundle: {}", loader, model->refusal)});
  const std::set<std::string_view> kept = kept_names(*model, infos);
  for (const format::BundleModule& m : bundle.modules)
    if (!kept.contains(m.path + ".weight"))
      findings->push_back({Severity::error, m.path,
                           fmt::format("{} refuses this bundle: the class of '{}' keeps this tensor under another name or in another "
                                       "form, and changes unpacked ones only; convert the source again",
                                       loader, model->model_type)});
}

}  // namespace

Status check_loadable(const arch::Model& model, const targets::Target& target) {
  if (model.refusal.empty()) return {};
  return {StatusCode::unsupported, fmt::format("{}; {} would refuse the bundle, so none is made", model.refusal, target.loader())};
}

Result<std::vector<Finding>> validate_bundle(const std::string& path, const format::ValidateOptions& options) {
  JANG_ASSIGN(std::vector<Finding> findings, format::validate(path, options));
  const Result<format::Bundle> bundle = format::open_bundle(path);
  if (bundle.ok() && (bundle->is_quantized || !bundle->jang_config.is_null())) add_findings(*bundle, &findings);
  return findings;
}

Status check_bundle(const std::string& directory) {
  JANG_ASSIGN(const std::vector<format::Finding> findings, validate_bundle(directory, {.deep = true}));
  for (const format::Finding& f : findings)
    if (f.severity == format::Severity::error)
      return {StatusCode::corrupt, "the written bundle does not pass its own check, nothing was published: " + f.where + ": " + f.message};
  return {};
}

}  // namespace jang::quantize
