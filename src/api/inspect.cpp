// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "jang/inspect.h"

#include <algorithm>

#include "arch/arch.h"
#include "arch/describe.h"
#include "engine/text_check.h"
#include "format/targets/bundle.h"
#include "format/targets/record.h"
#include "format/targets/target.h"
#include "format/targets/targets.h"
#include "json/json.h"
#include "quantize/check_loads.h"
#include "tensor/shape.h"

namespace jang {
namespace {

std::optional<std::string> text_member(const json::Value* object, std::string_view key) {
  const json::Value* member = object == nullptr ? nullptr : json::find(*object, key);
  if (member == nullptr || !member->is_string()) return std::nullopt;
  return member->get<std::string>();
}

std::optional<double> number_member(const json::Value* object, std::string_view key) {
  const json::Value* member = object == nullptr ? nullptr : json::find(*object, key);
  if (member == nullptr || !member->is_number()) return std::nullopt;
  return member->get<double>();
}

TensorReport plain_row(const format::StoredTensor& tensor) {
  TensorReport row;
  row.name = tensor.info.name;
  row.params = static_cast<std::uint64_t>(elements(tensor.info.shape));
  row.bytes = tensor.made != nullptr ? tensor.made->file_bytes() : static_cast<std::uint64_t>(tensor.info.bytes());
  row.bits = tensor.made == nullptr ? 8 * size_bytes(tensor.info.dtype)
                                    : static_cast<int>(8 * row.bytes / std::max<std::uint64_t>(1, row.params));  // its scales with it
  return row;
}

TensorReport module_row(const format::Bundle& bundle, const format::BundleModule& module, const json::Value* manifest) {
  const std::vector<format::StoredTensor>& tensors = bundle.checkpoint.tensors();
  TensorReport row = plain_row(tensors[static_cast<std::size_t>(module.planes.front())]);
  row.params = static_cast<std::uint64_t>(elements(module.shape));
  row.bytes = 0;
  for (const int plane : module.planes) row.bytes += static_cast<std::uint64_t>(tensors[static_cast<std::size_t>(plane)].info.bytes());
  row.bits = module.format->bits;
  row.group_size = module.format->group_size;
  const json::Value* entry = manifest == nullptr ? nullptr : json::find(*manifest, module.path);
  if (entry == nullptr && manifest != nullptr) entry = json::find(*manifest, targets::manifest_name(module.path));
  row.role = text_member(entry, "role");
  row.tier = text_member(entry, "tier");
  row.rule = text_member(entry, "rule");
  row.error = number_member(entry, "error");
  return row;
}

void add_bundle_rows(const format::Bundle& bundle, ModelReport& report) {
  const json::Value* quantization = bundle.jang_config.is_object() ? json::find(bundle.jang_config, "quantization") : nullptr;
  report.profile = text_member(quantization, "profile");
  report.method = text_member(quantization, "quantization_method");
  const json::Value* manifest = quantization == nullptr ? nullptr : json::find(*quantization, "tensor_quantization_manifest");
  for (const format::BundleModule& module : bundle.modules) report.tensors.push_back(module_row(bundle, module, manifest));
  for (const int index : bundle.plain) report.tensors.push_back(plain_row(bundle.checkpoint.tensors()[static_cast<std::size_t>(index)]));
  std::sort(report.tensors.begin(), report.tensors.end(), [](const TensorReport& a, const TensorReport& b) { return a.name < b.name; });
}

// Roles of a source's tensors; without them (a family that cannot be described) the table still stands.
Status add_source_rows(const format::Checkpoint& checkpoint, ModelReport& report, bool& knows_tensors) {
  std::vector<TensorInfo> infos;
  for (const format::StoredTensor& tensor : checkpoint.tensors()) {
    infos.push_back(tensor.info);
    report.tensors.push_back(plain_row(tensor));
  }
  const Result<arch::Model> model = targets::describe_source(checkpoint.config(), infos);
  if (!model.ok()) return model.status();
  knows_tensors = arch::knows_tensors(*model);
  for (const arch::OutTensor& tensor : model.value().tensors) {
    for (const arch::Piece& piece : tensor.pieces) {
      TensorReport& row = report.tensors[static_cast<std::size_t>(piece.source)];
      row.role = std::string(arch::to_string(tensor.role));
      row.rule = tensor.rule;
    }
  }
  return {};
}

void add_sizes(const format::Checkpoint& checkpoint, ModelReport& report) {
  double codes = 0, quantized = 0, bytes = 0;
  for (const TensorReport& row : report.tensors) {
    report.params += row.params;
    bytes += static_cast<double>(row.bytes);
    if (row.group_size == 0) continue;
    codes += static_cast<double>(row.bits) * static_cast<double>(row.params);
    quantized += static_cast<double>(row.params);
  }
  report.code_bits = quantized > 0 ? codes / quantized : 0;
  report.stored_bits = report.params > 0 ? bytes * 8 / static_cast<double>(report.params) : 0;
  report.file_bytes = checkpoint.file_bytes();
}

Finding finding_of(const format::Finding& finding) {
  return {finding.severity == format::Severity::error ? Severity::error : Severity::warning, finding.where, finding.message};
}

}  // namespace

Result<Inspection> inspect_model(const std::string& directory, bool lenient) {
  JANG_ASSIGN(const format::Bundle bundle, format::open_bundle(directory, {.lenient = lenient}));
  Inspection result;
  bool knows_tensors = false;
  Status described;
  if (!bundle.modules.empty())
    add_bundle_rows(bundle, result.report);
  else
    described = add_source_rows(bundle.checkpoint, result.report, knows_tensors);
  if (const Status settled = bundle.checkpoint.settle(described, knows_tensors); !settled.ok() && !bundle.checkpoint.missing().ok())
    return settled;
  result.warnings = bundle.checkpoint.warnings();
  if (!described.ok()) result.warnings.push_back("roles are unknown: " + described.message());
  add_sizes(bundle.checkpoint, result.report);
  result.path = bundle.checkpoint.path();
  result.quantized = !bundle.modules.empty();
  result.model_type = text_member(&bundle.checkpoint.config(), "model_type").value_or("");
  result.n_files = bundle.checkpoint.files().size();
  return result;
}

std::string_view to_string(Severity severity) {
  return format::severity_name(severity == Severity::error ? format::Severity::error : format::Severity::warning);
}

Result<std::vector<Finding>> validate_model(const std::string& directory, bool deep) {
  JANG_ASSIGN(const std::vector<format::Finding> checked, quantize::validate_bundle(directory, {.deep = deep}));
  std::vector<Finding> findings;
  for (const format::Finding& finding : checked) findings.push_back(finding_of(finding));
  const Result<format::Bundle> bundle = format::open_bundle(directory);
  const targets::Target& target = bundle.ok() ? *bundle->target : targets::default_target();
  for (const format::Finding& finding : engine::check_text(directory, target)) findings.push_back(finding_of(finding));
  return findings;
}

}  // namespace jang
