// SPDX-License-Identifier: Apache-2.0
// `jang inspect`: what a directory holds, source checkpoint or bundle. Headers and configuration only.
#include <algorithm>

#include <fmt/format.h>

#include "arch/arch.h"
#include "cli/commands.h"
#include "cli/failure.h"
#include "cli/planning.h"
#include "cli/report.h"
#include "cli/units.h"
#include "format/targets/bundle.h"
#include "format/targets/target.h"

namespace jang::cli {
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

TensorRow plain_row(const format::StoredTensor& tensor) {
  TensorRow row;
  row.name = tensor.info.name;
  row.params = static_cast<std::uint64_t>(elements(tensor.info.shape));
  row.bytes = static_cast<std::uint64_t>(tensor.info.bytes());
  row.bits = 8 * size_bytes(tensor.info.dtype);
  return row;
}

TensorRow module_row(const format::Bundle& bundle, const format::BundleModule& module, const json::Value* manifest) {
  const std::vector<format::StoredTensor>& tensors = bundle.checkpoint.tensors();
  TensorRow row = plain_row(tensors[static_cast<std::size_t>(module.planes.front())]);
  row.params = static_cast<std::uint64_t>(elements(module.shape));
  row.bytes = 0;
  for (const int plane : module.planes) row.bytes += static_cast<std::uint64_t>(tensors[static_cast<std::size_t>(plane)].info.bytes());
  row.bits = module.format->bits;
  row.group_size = module.format->group_size;
  const json::Value* entry = manifest == nullptr ? nullptr : json::find(*manifest, module.path);
  row.role = text_member(entry, "role");
  row.tier = text_member(entry, "tier");
  row.rule = text_member(entry, "rule");
  row.error = number_member(entry, "error");
  return row;
}

void add_bundle_rows(const format::Bundle& bundle, Report& report) {
  const json::Value* quantization = bundle.jang_config.is_object() ? json::find(bundle.jang_config, "quantization") : nullptr;
  report.profile = text_member(quantization, "profile");
  report.method = text_member(quantization, "quantization_method");
  const json::Value* manifest = quantization == nullptr ? nullptr : json::find(*quantization, "tensor_quantization_manifest");
  for (const format::BundleModule& module : bundle.modules) report.tensors.push_back(module_row(bundle, module, manifest));
  for (const int index : bundle.plain) report.tensors.push_back(plain_row(bundle.checkpoint.tensors()[static_cast<std::size_t>(index)]));
  std::sort(report.tensors.begin(), report.tensors.end(), [](const TensorRow& a, const TensorRow& b) { return a.name < b.name; });
}

// Roles of a source's tensors; without them (a family that cannot be described) the table still stands.
Status add_source_rows(const format::Checkpoint& checkpoint, Report& report, bool& knows_tensors) {
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
      TensorRow& row = report.tensors[static_cast<std::size_t>(piece.source)];
      row.role = std::string(arch::to_string(tensor.role));
      row.rule = tensor.rule;
    }
  }
  return {};
}

void add_sizes(const format::Checkpoint& checkpoint, Report& report) {
  double codes = 0, quantized = 0, bytes = 0;
  for (const TensorRow& row : report.tensors) {
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

std::string report_text(const Report& report, const format::Bundle& bundle, const std::string& model_type, bool list, bool color) {
  std::string out =
      fmt::format("{}: {}, model_type {}", printable(bundle.checkpoint.path()), !bundle.modules.empty() ? "quantized" : "not quantized",
                  printable(model_type.empty() ? "unknown" : model_type));
  if (report.profile) out += fmt::format(", profile {}", printable(*report.profile));
  if (report.method) out += fmt::format(", method {}", printable(*report.method));
  out += fmt::format("\n  files        {}\n  tensors      {}\n", bundle.checkpoint.files().size(), report.tensors.size());
  out += sizes_text(report) + "\n" + histogram_text(report, color);
  return list ? out + "\n" + tensors_text(report, color) : out;
}

}  // namespace

int run_inspect(const Arguments& arguments, const Surroundings& surroundings) {
  const std::string typed = arguments.value("MODEL");
  const std::string what = fmt::format("cannot inspect {}", typed);
  const Result<std::string> directory = format::resolve_model(typed, surroundings.hub);
  if (!directory.ok()) return fail(what, "inspect", as_input_failure(directory.status()), surroundings.stderr_color);
  const Result<format::Bundle> opened = format::open_bundle(directory.value(), open_options(arguments));
  if (!opened.ok()) return fail(what, "inspect", as_input_failure(opened.status()), surroundings.stderr_color);
  const format::Bundle& bundle = opened.value();

  const auto warn = [&](std::string_view text) {
    print_message(fmt::format("{}{}\n", styled("warning: ", Style::yellow, surroundings.stderr_color), printable(text)));
  };
  Report report;
  bool knows_tensors = false;
  Status described;
  if (!bundle.modules.empty())
    add_bundle_rows(bundle, report);
  else
    described = add_source_rows(bundle.checkpoint, report, knows_tensors);
  if (const Status settled = bundle.checkpoint.settle(described, knows_tensors); !settled.ok() && !bundle.checkpoint.missing().ok())
    return fail(what, "inspect", as_input_failure(settled), surroundings.stderr_color);
  for (const std::string& warning : bundle.checkpoint.warnings()) warn(warning);
  if (!described.ok()) warn("roles are unknown: " + described.message());
  add_sizes(bundle.checkpoint, report);
  const std::string model_type = text_member(&bundle.checkpoint.config(), "model_type").value_or("");
  if (!arguments.has("--json"))
    return finish(report_text(report, bundle, model_type, arguments.has("--tensors"), surroundings.stdout_color), surroundings);
  json::Value v = to_json(report);
  v["path"] = bundle.checkpoint.path();
  v["quantized"] = !bundle.modules.empty();
  v["model_type"] = model_type.empty() ? json::Value(nullptr) : json::Value(model_type);
  return finish(json::dump(v, 2) + "\n", surroundings);
}

}  // namespace jang::cli
